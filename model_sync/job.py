"""The processes of one training job, which publish one version together.

    pending/<job>/call.json                  rank 0 asks for a round: its name, and which tables are to be whole
    pending/<job>/<round>/1.json             what rank 1 has to tell, its chunks put
    pending/<job>/<round>/commit.json        rank 0 has all, and commits a version that says it was made then

A round that comes to nothing leaves notes that nobody follows: the next has another name. Who has failed writes why in
the place of what was awaited, so that the others need not wait.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from featdsl.errors import FeatError, InputError
from model_sync.layer_file import read_chunk
from model_sync.registry import Registry
from model_sync.shares import Share
from model_sync.version import RegistryError

_T = TypeVar("_T")
_LOOK_S = 0.01
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Call:
    """`round`: its name. `whole`: the tables that everybody tells all rows of. `failed`: why nothing came of it."""

    round: str
    whole: frozenset[str]
    failed: str

    @staticmethod
    def from_json(data: Any) -> Call:
        return Call(str(data["round"]), frozenset(map(str, data["whole"])), str(data.get("failed", "")))


class Job:
    """One of `world` processes, the one of this `rank`."""

    def __init__(self, registry: Registry, name: str, rank: int, world: int, timeout_s: float) -> None:
        """Errors: `InputError` for a rank that is none, and for a job without a name."""
        if not 0 <= rank < world:
            raise InputError(f"a job of {world} processes has ranks 0 to {world - 1}: {rank}")
        if world > 1 and not _NAME.fullmatch(name):
            raise InputError(
                f"not the name of a job: {name!r}",
                help="job= is one word, the same in all processes of the job: letters, digits, `.`, `_` and `-`",
            )
        self._registry = registry
        self._blobs = registry.blobs
        self._name, self._folder = name, f"pending/{name}/"
        self._timeout_s = timeout_s
        self.rank, self.world = rank, world
        self._round = ""

    # --- rank 0 -------------------------------------------------------------------------------------------

    def ask(self, whole: frozenset[str], made_at_us: int | None) -> list[Share]:
        """What the other processes have to tell, in a new round. `made_at_us`: when HEAD's version was made; some may
        not have heard yet that it came of the round before. Errors: `RegistryError` when one does not answer."""
        if self.world == 1:
            return []
        self._round = uuid.uuid4().hex
        notes = [name.removeprefix(self._folder) for name in self._blobs.names(self._folder)]
        rounds = {name.partition("/")[0] for name in notes if "/" in name}
        known = {round for round in rounds if made_at_us and self.committed_at_us(round) == made_at_us}
        for name in notes:
            if name.partition("/")[0] not in known:
                self._blobs.remove(self._folder + name)
        self._write("call.json", {"round": self._round, "whole": sorted(whole)})
        answers: dict[int, Share] = {}
        self._wait(lambda: self._heard(answers), lambda: f"rank {self._absent(answers)} has not answered")
        return [answers[rank] for rank in sorted(answers)]

    def _heard(self, answers: dict[int, Share]) -> bool:
        for rank in range(1, self.world):
            said = None if rank in answers else self._read(f"{self._round}/{rank}.json", _answer)
            if isinstance(said, str):
                raise self._nothing(f"rank {rank}: {said}")
            if said is not None:
                answers[rank] = said
        return len(answers) == self.world - 1

    def _absent(self, answers: dict[int, Share]) -> int:
        return next(rank for rank in range(1, self.world) if rank not in answers)

    def committing(self, now_us: int) -> None:
        """Tells the others by what they know the version: the time that it says it was made."""
        if self.world > 1:
            self._write(f"{self._round}/commit.json", {"created_at_us": now_us})

    def over(self, failed: str = "") -> None:
        """Nobody who comes later answers any more, and who waits does not wait longer."""
        if self.world > 1 and self._round:
            with contextlib.suppress(RegistryError):
                if failed:
                    self._write("call.json", {"round": self._round, "whole": [], "failed": failed})
                else:
                    self._blobs.remove(f"{self._folder}call.json")

    # --- the others ---------------------------------------------------------------------------------------

    def answer(self, share: Callable[[str, frozenset[str]], Share], over: Callable[[], bool]) -> None:
        """Tells `share` of each round that is asked for, and which tables are to be whole in it, until it is `over`.
        Errors: `RegistryError` when rank 0 asks nothing more, and it is not over."""
        answered = ""

        def look() -> bool:
            nonlocal answered
            if over():
                return True
            call = self._read("call.json", Call.from_json)
            if call is not None and call.failed and call.round == answered:
                raise self._nothing(f"rank 0: {call.failed}")
            if call is None or call.failed or call.round == answered:
                return False
            answered = call.round
            note = f"{answered}/{self.rank}.json"
            try:
                said = share(answered, call.whole)
            except FeatError as fault:
                self._write(note, {"failed": str(fault)})
                raise
            self._write(note, said.to_json())
            return False

        self._wait(look, lambda: "rank 0 has not published")

    def committed_at_us(self, round: str) -> int | None:
        """When the version of a round was made, if rank 0 has come so far."""
        return self._read(f"{round}/commit.json", lambda said: int(said["created_at_us"]))

    # --- notes --------------------------------------------------------------------------------------------

    def _write(self, name: str, data: Any) -> None:
        self._blobs.note(self._folder + name, json.dumps(data).encode())

    def _read(self, name: str, meaning: Callable[[Any], _T]) -> _T | None:
        raw = self._blobs.read(self._folder + name)
        try:
            return None if raw is None else meaning(json.loads(raw))
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise RegistryError(
                f"a note of another process does not read: {self._folder}{name}: {fault!r}",
                help="all processes of a job run the same release",
            ) from fault

    def _wait(self, done: Callable[[], bool], what: Callable[[], str]) -> None:
        until = time.monotonic() + self._timeout_s
        while not done():
            if time.monotonic() > until:
                raise self._nothing(f"{what()} for {self._timeout_s:g} s")
            self._registry.wait(_LOOK_S)

    def _nothing(self, why: str) -> RegistryError:
        return RegistryError(
            f"nothing is published by job {self._name}: {why}",
            help="nothing is lost: the next publish tells it all; a process that died is started again",
        )


def _answer(data: Any) -> Share | str:
    """What a process has to tell, or why it cannot."""
    return str(data["failed"]) if "failed" in data else Share.from_json(data)


def check_apart(registry: Registry, shares: list[Share], widths: dict[str, int]) -> None:
    """Errors: `InputError` for an id that two processes tell of, `RegistryError` for a chunk that is gone."""
    for table, width in widths.items():
        told = []
        for share in shares:
            for chunk in share.layers[table].chunks:
                data = registry.blobs.read(f"chunks/{chunk.sha256}")
                if data is None:
                    raise RegistryError(f"a chunk of table {table} is gone before it was published")
                ids, _, deleted = read_chunk(data, width)
                told += [ids, deleted]
        ids, counts = np.unique(np.concatenate(told), return_counts=True)
        if (counts > 1).any():
            raise InputError(
                f"two processes of the job have a row of one id in table {table}: {ids[counts > 1][0]}",
                help="each id is trained in one process, such as the one of rank `id % world`",
            )
