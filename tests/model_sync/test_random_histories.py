"""Publishers, servers, crashes, rollbacks, labels, pruning and damage in random order, against a plain dictionary.

What is held to: a server serves exactly what a publisher once committed, every row and the dense file of one version;
after a look at a registry that is whole it serves what HEAD or its label names; what it serves never changes by itself.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from compiler.bundle import write_bundle
from engine import Snapshot, SnapshotTable
from featdsl.torch.table_layers import ResidentTable, resident_table
from model_sync import Draft, Head, HeadMoved, Registry, VersionRefused
from model_sync.directory import DirectoryBlobs
from model_sync.labels import promote
from model_sync.layer_file import layer_chunks
from model_sync.pruning import prune
from model_sync.table_stack import Layer, TableEntry, TableState, read_tables
from online.models import ModelRefused, Tensors
from online.versions import VersionWatcher
from tests.online.shop import bundle

WIDTH = 2
IDS = st.integers(0, 7)
MOSTLY_FIRST = st.sampled_from([0, 0, 0, 1])
SELDOM = st.sampled_from([False, False, False, True])


def seldom(most: int) -> st.SearchStrategy[int | None]:
    """At which step it dies, if it does."""
    return st.sampled_from([None] * 2 * most + list(range(most)))


NONE = np.zeros(0, np.int64)
Rows = dict[int, float]


class Killed(BaseException):
    """Stands for the end of a process."""


class MortalBlobs(DirectoryBlobs):
    """Dies at the n-th thing that it is to write from now on."""

    left: int | None = None

    def _step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def write(self, name: str, data: bytes) -> None:
        self._step()
        super().write(name, data)

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        self._step()
        return super().swap(name, expected, data)

    def remove(self, name: str) -> None:
        self._step()
        super().remove(name)


@dataclass
class Content:
    """What a version is: rows by id, and what its dense file says."""

    rows: Rows
    dense: str


@dataclass
class Trainer:
    """A publisher reduced to its protocol: what was touched is forgotten only when HEAD has moved."""

    registry: Registry
    rows: Rows = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    head: Head | None = None
    layers: tuple[Layer, ...] = ()
    published: Rows = field(default_factory=dict)

    def layer(self, whole: bool) -> Layer:
        ids = sorted(self.rows if whole else self.touched & set(self.rows))
        gone = [] if whole else sorted(self.touched & (set(self.published) - set(self.rows)))
        values = np.array([[self.rows[id]] * WIDTH for id in ids], np.float32).reshape(len(ids), WIDTH)
        chunks = tuple(
            self.registry.put_chunk(data)
            for data in layer_chunks(np.array(ids, np.int64), values, np.array(gone, np.int64), most_bytes=64)
        )
        return Layer(len(ids), len(gone), chunks, state_of(self.rows))


def state_of(rows: Rows) -> TableState:
    table = SnapshotTable(WIDTH)
    values = np.array([[value] * WIDTH for value in rows.values()], np.float32).reshape(len(rows), WIDTH)
    made = table.apply(table.empty(), np.array(list(rows), np.int64), values, NONE)
    return TableState.of(made.rows, made.sum)


class TableModel:
    """A `ModelServer` in this process that holds the tables of its versions as the real one does."""

    load_starts_threads = False

    def __init__(self) -> None:
        self.held: dict[int, tuple[ResidentTable, str]] = {}

    def load(self, version: int, directory: Path) -> None:
        try:
            (entry,) = read_tables(directory).values()
            table = resident_table("users", entry, directory, [table for table, _ in self.held.values()])
            self.held[version] = table, (directory / "dense.txt").read_text()
        except Exception as fault:
            raise ModelRefused(str(fault)) from fault

    def unload(self, version: int) -> None:
        table, _ = self.held.pop(version)
        table.rows.table.collect()

    def content(self, version: int) -> Content:
        table, dense = self.held[version]
        return Content(rows_of(table.rows), dense)

    def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, Any]:
        raise NotImplementedError

    def ping(self, version: int) -> None: ...

    def has(self, version: int) -> bool:
        return True

    def followed(self) -> int | None:
        return None

    def close(self) -> None: ...


def rows_of(snapshot: Snapshot) -> Rows:
    ids = snapshot.ids()
    rows = np.zeros((len(ids), WIDTH), np.float32)
    assert snapshot.gather(ids, rows) == 0
    assert (rows == rows[:, :1]).all()
    return dict(zip(ids.tolist(), rows[:, 0].tolist(), strict=True))


class Histories(RuleBasedStateMachine):
    """Two trainers of one registry and two servers, one of which follows a label."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="featdsl-histories-"))
        self.clock_us = 1_800_000_000_000_000
        self.counter = 0
        self.contents: dict[int, Content] = {}
        self.head: int | None = None
        self.stable: int | None = None
        self.damaged: dict[Path, bytes] = {}

    @initialize()
    def begin(self) -> None:
        bundle_path = self.folder / "bundle.featb"
        write_bundle(bundle(), bundle_path)
        self.bundle_bytes = bundle_path.read_bytes()
        self.trainers = [Trainer(self.opened()) for _ in range(2)]
        self.servers: list[VersionWatcher] = []
        self.models: list[TableModel] = []
        self.served: list[tuple[int, Content] | None] = []
        for number in range(2):
            self.servers.append(self.server(number))
            self.served.append(None)

    def opened(self) -> Registry:
        return Registry(MortalBlobs(self.folder / "registry", create=True))

    def server(self, number: int) -> VersionWatcher:
        model = TableModel()
        self.models[number : number + 1] = [model]
        url = f"dir://{self.folder}/registry"
        return VersionWatcher(url, "ranker", bundle(), model, kept=1, label="stable" if number else "")

    def now_us(self) -> int:
        self.clock_us += 1_000_000
        return self.clock_us

    # --- training and publishing ------------------------------------------------------------------

    @rule(
        who=MOSTLY_FIRST,
        rows=st.dictionaries(IDS, st.integers(0, 99), max_size=6),
        gone=st.sets(IDS, max_size=5),
    )
    def train(self, who: int, rows: dict[int, int], gone: set[int]) -> None:
        trainer = self.trainers[who]
        for id, value in rows.items():
            trainer.rows[id] = float(value)
        for id in gone:
            trainer.rows.pop(id, None)
        trainer.touched |= set(rows) | gone

    @rule(who=MOSTLY_FIRST, anchor=SELDOM, dies=seldom(9), seen=st.booleans())
    def publish(self, who: int, anchor: bool, dies: int | None, seen: bool) -> None:
        trainer = self.trainers[who]
        blobs = trainer.registry.blobs
        assert isinstance(blobs, MortalBlobs)
        blobs.left = dies
        before = trainer.registry.numbers()
        self.counter += 1
        dense = f"dense {self.counter}"
        content = Content(dict(trainer.rows), dense)
        try:
            version, layers = self.commit(trainer, dense, anchor)
        except HeadMoved as moved:
            self.take_over(trainer, moved.now)
        except Killed:
            blobs.left = None
            head = trainer.registry.head()
            if head is not None and head.version != self.head:  # it died just after
                assert head.version not in before
                self.contents[head.version], self.head = content, head.version
            self.trainers[who] = Trainer(self.opened(), dict(content.rows))
        else:
            self.contents[version], self.head = content, version
            trainer.head, trainer.layers = trainer.registry.head(), layers
            trainer.published, trainer.touched = dict(trainer.rows), set()
        finally:
            blobs.left = None
        if seen:
            self.look(0)

    def take_over(self, trainer: Trainer, now: Head | None) -> None:
        """It goes on from what HEAD says, with an anchor."""
        assert now is not None
        assert trainer.head is None or now.raw != trainer.head.raw
        assert now.version == self.head
        trainer.head, trainer.layers = now, ()

    def commit(self, trainer: Trainer, dense: str, anchor: bool) -> tuple[int, tuple[Layer, ...]]:
        registry = trainer.registry
        whole = anchor or not trainer.layers
        layers = (*(() if whole else trainer.layers), trainer.layer(whole))
        files = {"dense.txt": dense.encode(), "bundle.featb": self.bundle_bytes}
        files["model.json"] = json.dumps({"dense": dense}).encode()
        draft = Draft(
            "ranker",
            bundle().fingerprint,
            {name: registry.put_file(data) for name, data in files.items()},
            {"users": TableEntry(WIDTH, layers)},
        )
        return registry.commit(draft, trainer.head, now_us=self.now_us()).number, layers

    # --- what people do ------------------------------------------------------------------------------

    def known(self, number: int) -> int:
        numbers = [n for n in self.operator().numbers() if n in self.contents]
        return numbers[number % len(numbers)]

    def operator(self) -> Registry:
        return self.opened()

    @precondition(lambda self: self.head is not None)
    @rule(which=st.integers(0, 30))
    def roll_back(self, which: int) -> None:
        to = self.known(which)
        with contextlib.suppress(VersionRefused):  # of a damaged version: HEAD stays
            self.operator().rollback(to, now_us=self.now_us())
            self.head = to
        head = self.operator().head()
        assert head is not None
        assert head.version == self.head

    @precondition(lambda self: self.head is not None)
    @rule(which=st.integers(0, 30))
    def label(self, which: int) -> None:
        number = self.known(which)
        with contextlib.suppress(VersionRefused):
            promote(self.operator(), number, "stable", now_us=self.now_us())
            self.stable = number

    @precondition(lambda self: self.head is not None)
    @rule(keep=st.integers(0, 4), grace_s=st.sampled_from([0.0, 1e9]), dies=seldom(4))
    def prune(self, keep: int, grace_s: float, dies: int | None) -> None:
        """While nobody publishes: what is being published is younger than the grace."""
        registry = self.operator()
        assert isinstance(registry.blobs, MortalBlobs)
        registry.blobs.left = dies
        now_us = 4_000_000_000_000_000 if grace_s == 0.0 else self.clock_us
        held = {number for model in self.models for number in model.held} & set(registry.numbers())
        with contextlib.suppress(Killed):
            prune(registry, keep, now_us=now_us, grace_s=grace_s)
        left = set(self.operator().numbers())
        assert {self.head, self.stable} - {None} <= left
        assert now_us > 3e15 or held <= left, "a server that lives keeps what it holds"
        for number in left & set(self.contents):
            if not self.damaged:
                self.operator().verify(number)

    # --- what disks do ---------------------------------------------------------------------------------

    @precondition(lambda self: self.head is not None and not self.damaged)
    @rule(which=st.integers(0, 1000), cut=st.booleans())
    def damage(self, which: int, cut: bool) -> None:
        chunks = sorted((self.folder / "registry" / "chunks").iterdir())
        path = chunks[which % len(chunks)]
        whole = path.read_bytes()
        self.damaged[path] = whole
        path.write_bytes(whole[: len(whole) // 2] if cut else bytes([whole[0] ^ 1]) + whole[1:])

    @precondition(lambda self: self.damaged)
    @rule()
    def mend(self) -> None:
        for path, whole in self.damaged.items():
            if path.exists():
                path.write_bytes(whole)
        self.damaged.clear()
        for trainer in self.trainers:
            trainer.registry.distrust()

    # --- serving -------------------------------------------------------------------------------------

    @rule(who=st.integers(0, 1))
    def look_at(self, who: int) -> None:
        self.look(who)

    def look(self, who: int) -> None:
        watcher, model = self.servers[who], self.models[who]
        watcher.poll()
        wanted = self.stable if who else self.head
        if watcher.serving is None:
            assert wanted is None or self.damaged, watcher.problem
            return
        number = watcher.serving.version
        self.served[who] = number, copy.deepcopy(model.content(watcher.serving.handle))
        assert self.contents[number] == self.served[who][1]  # type: ignore[index]
        assert number == wanted or self.damaged, watcher.problem

    @rule(who=st.integers(0, 1))
    def restart(self, who: int) -> None:
        self.servers[who].stop()
        self.servers[who] = self.server(who)
        self.served[who] = None

    @invariant()
    def what_serves_does_not_change(self) -> None:
        for watcher, model, served in zip(self.servers, self.models, self.served, strict=True):
            if served is not None:
                assert watcher.serving is not None
                assert (watcher.serving.version, model.content(watcher.serving.handle)) == served

    def teardown(self) -> None:
        for watcher in self.servers:
            watcher.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("FEATDSL_HISTORIES", "50")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
