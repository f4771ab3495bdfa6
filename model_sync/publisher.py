"""Publishes a model while it is trained: each version what has changed since the one before, whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from featdsl.errors import InputError
from model_sync.job import Job, check_apart
from model_sync.opening import open_registry
from model_sync.registry import Registry
from model_sync.shares import Share, Table, needs_anchor, share_of, stacked
from model_sync.table_stack import TableEntry, TableState
from model_sync.tiers import Merge, Tiers
from model_sync.version import Draft, FileEntry, Head, HeadMoved, RegistryError, Version, VersionRefused

if TYPE_CHECKING:
    import torch

    from compiler.bundle import Bundle
    from featdsl.torch.live_model import LiveModel

log = logging.getLogger("featdsl.publisher")


@dataclass(frozen=True, slots=True)
class _Sent:
    """What may have become the version after the one that HEAD named, though nobody said so. `is_it`: whether a version
    is that."""

    share: Share
    is_it: Callable[[Version], bool]


class Publisher:
    """Publishes a module that is being trained, with the rows of its `EmbeddingTable`s.

        publisher = Publisher("dir://registry", module, bundle, every_s=5)
        for batch in batches:
            ...  # a step of training
            publisher.step()
        publisher.close()

    A version has all parameters, and of each table a layer with the rows that have changed since the version before, or
    an anchor: all of them. What has changed is forgotten when HEAD of the registry has moved, not before: a publish
    that fails, wherever it does, leaves it to the next. Training may go on between any two calls; all of them, and the
    training, are of one thread.

    The publisher follows what HEAD said when it was made. When somebody else moves HEAD (another publisher, a rollback)
    it does not overwrite that: `publish` raises `HeadMoved`, until `take_over` is called. A registry that was emptied
    is nobody's: all is published there again.

    `registry`: one, or its URL, where it is made if it is not there. `bundle`, `model`: as for `save_model`. `every_s`,
    `every_steps`: how often `step` publishes. `budget_rows`: of a table with more changed rows those that have moved
    the most are told and the others later; every `full_every`th version tells all. Several processes of one job, each
    with its own ids of the tables: `rank` of `world`, the `job`'s name; rank 0 publishes its parameters and the rows of
    all, once the others have told theirs, for which all wait `timeout_s` for each other.
    """

    def __init__(
        self,
        registry: Registry | str,
        module: torch.nn.Module,
        bundle: Bundle,
        *,
        model: str | None = None,
        every_s: float | None = None,
        every_steps: int | None = None,
        budget_rows: int | None = None,
        full_every: int = 20,
        rank: int = 0,
        world: int = 1,
        job: str = "",
        timeout_s: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Errors: `InputError` for settings that do not go together, `RegistryError`."""
        if every_s is not None and every_steps is not None:
            raise InputError("a publisher goes by time or by steps, not by both: every_s=, every_steps=")
        if every_s is not None and world > 1:
            raise InputError(
                "processes of one job do not see the same time", help="every_steps= instead of every_s="
            )
        counts = [count for count in (every_steps, full_every, budget_rows) if count is not None]
        if min(counts) < 1 or (every_s is not None and every_s < 0):
            raise InputError("every_steps, full_every and budget_rows are 1 and more, every_s 0 and more")
        self.registry = open_registry(registry, create=True) if isinstance(registry, str) else registry
        self._module, self._bundle, self._model = module, bundle, model
        self._every_s, self._every_steps = every_s, every_steps
        self._budget_rows, self._full_every = budget_rows, full_every
        self._clock = clock
        self._job = Job(self.registry, job, rank, world, timeout_s)
        self._live: LiveModel | None = None
        self._steps, self._tried_at_s = 0, clock()
        self.take_over()

    # --- the training loop --------------------------------------------------------------------------------

    def step(
        self, *, metrics: Mapping[str, float] | None = None, watermark_us: int | None = None
    ) -> Version | None:
        """To be called after each step of training: publishes when it is time to. When the registry does not answer
        then, that is logged, and tried again when it is time again; training goes on. Errors: `HeadMoved`, and
        `InputError` for what no server would take."""
        self._steps += 1
        if self._every_steps is not None:
            due = self._steps >= self._every_steps
        else:
            due = self._every_s is not None and self._clock() - self._tried_at_s >= self._every_s
        if not due:
            return None
        try:
            return self.publish(metrics=metrics, watermark_us=watermark_us)
        except HeadMoved:
            raise
        except RegistryError as fault:
            log.warning("not published, later again: %s", fault)
            return None

    def close(self) -> None:
        """Publishes the steps that `step` was told of and has not published, and lets go of the registry. Errors: as
        `publish`."""
        try:
            if self._steps and (self._every_s is not None or self._every_steps is not None):
                self.publish()
        finally:
            self.registry.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.registry.close()

    # --- publishing ---------------------------------------------------------------------------------------

    def publish(
        self,
        *,
        metrics: Mapping[str, float] | None = None,
        watermark_us: int | None = None,
        state_dict: Mapping[str, torch.Tensor] | None = None,
    ) -> Version:
        """Publishes what the module is now, or with the parameters of `state_dict`, and returns the version that HEAD
        names then. `metrics` travel with it; `watermark_us`: up to when events have gone into it, in microseconds since
        1970. Errors: `HeadMoved`; `RegistryError`, after which it may be called again; `InputError` for what no server
        would take."""
        self._steps, self._tried_at_s = 0, self._clock()
        head = self._follow()
        if self._job.rank > 0:
            return self._tell()
        try:
            draft, share = self._drafted(head, metrics or {}, watermark_us, state_dict)
            version = self._commit(draft, share, head)
        except BaseException as fault:
            self._job.over(failed=str(fault) or type(fault).__name__)
            raise
        self._job.over()
        return version

    def _drafted(
        self,
        head: Head | None,
        metrics: Mapping[str, float],
        watermark_us: int | None,
        state_dict: Mapping[str, torch.Tensor] | None,
    ) -> tuple[Draft, Share]:
        """What the next version is to be, its chunks put."""
        live = self._exported()
        files = live.files(metrics, state_dict)
        share, others = self._shares(live.tables, head)
        tables = {
            name: stacked(
                self._stack(name),
                table.width,
                [one.layers[name] for one in (share, *others)],
                [one.merges.get(name) for one in (share, *others)],
                whole=name in share.whole,
            )
            for name, table in live.tables.items()
        }
        entries = self._graph or {name: self.registry.put_file(data) for name, data in live.graph.items()}
        entries = {**entries, **{name: self.registry.put_file(data) for name, data in files.items()}}
        return Draft(live.name, live.fingerprint, entries, tables, dict(metrics), watermark_us), share

    def take_over(self) -> None:
        """Goes on from what HEAD says now, whoever moved it there: the next version follows that one, and has all rows
        of all tables. Errors: `RegistryError`."""
        self._head = self.registry.head()
        self._overtaken = False
        self.registry.distrust()
        self._last: Version | None = None
        self._told: dict[str, TableState] = {}
        self._sent: _Sent | None = None
        self._since_full = 0
        self._tiers: dict[str, Tiers] = {}
        self._merges: dict[str, Merge] = {}

    def _exported(self) -> LiveModel:
        if self._live is None:
            from featdsl.torch.live_model import LiveModel

            self._live = LiveModel(self._module, self._bundle, self._model)
        return self._live

    # --- following HEAD -----------------------------------------------------------------------------------

    def _follow(self) -> Head | None:
        """What HEAD says, which is what this publisher left it at. Errors: `HeadMoved`, `RegistryError`."""
        head = self.registry.head()
        if self._overtaken:
            raise HeadMoved(head)
        if head is None and self._head is not None:
            log.warning("all is published again: the registry is empty: %s", self.registry.url)
            self.take_over()
        elif not _is_same(head, self._head):
            self._settle(head)
        if head is not None and self._last is not None:
            try:
                there = self.registry.version(head.version)
                reason = self.registry.refusal(head.version)
            except VersionRefused as refused:
                there, reason = self._last, refused.reason
            if not _is_what(there, self._last):
                self._overtaken = True  # the registry was made anew
                raise HeadMoved(head)
            if reason:
                log.warning("all is published again: version %d is refused: %s", head.version, reason)
                self.registry.distrust()
                self._last = None
        return head

    def _settle(self, head: Head | None) -> None:
        """HEAD is elsewhere: because it moved to what this publisher sent last, though it was not told so, or by
        somebody else. Errors: `HeadMoved`, `RegistryError`."""
        if head is None:
            raise RegistryError(
                f"nothing is published: the registry is empty: {self.registry.url}",
                help="the next publish puts all there again",
            )
        version = None
        with contextlib.suppress(VersionRefused):
            version = self.registry.version(head.version)
        sent = self._sent
        parent = (None, 0) if self._head is None else (self._head.version, self._head.epoch)
        if (
            sent is None
            or version is None
            or (version.parent, version.epoch - 1) != parent
            or version.epoch != head.epoch
            or not sent.is_it(version)
        ):
            self._overtaken = True
            raise HeadMoved(head)
        self._took(version, sent.share)

    def _commit(self, draft: Draft, share: Share, head: Head | None) -> Version:
        now_us = int(self._clock() * 1e6)
        self._job.committing(now_us)
        made = Version(0, None, draft.model, draft.fingerprint, now_us, draft.files, tables=draft.tables)
        self._sent = _Sent(share, lambda version: _is_what(version, made))
        try:
            version = self.registry.commit(draft, head, now_us=now_us)
        except HeadMoved:
            self._settle(self.registry.head())
            assert self._last is not None
            return self._last
        self._took(version, share)
        return version

    def _took(self, version: Version, share: Share) -> None:
        """HEAD has moved to a version with this share: others know it."""
        tables = self._tables()
        for name, change in share.changes.items():
            tables[name].published(change)
            self._told[name] = tables[name].told
            tiers = self._tiers.setdefault(name, Tiers())
            told = (change.ids, change.deleted)
            tiers.follow(self._stack(name), version.tables[name], told, share.merges.get(name))
        self._since_full = 0 if self._budget() is None else self._since_full + 1
        self._head = Head(version.epoch, version.number)
        self._last, self._sent = version, None
        self._merge(version)

    def _merge(self, version: Version) -> None:
        """Prepares lower stacks for the next version: nothing has been trained since this one, so what a layer of it
        said is known. Without them the next is as good."""
        self._merges = {}
        try:
            for name, tiers in self._tiers.items():
                table = self._tables()[name]
                if (merge := tiers.merge(version.tables[name], table, self.registry.put_chunk)) is not None:
                    self._merges[name] = merge
        except RegistryError as fault:
            log.warning("layers of version %d are not merged: %s", version.number, fault)

    # --- what is told -------------------------------------------------------------------------------------

    def _tables(self) -> Mapping[str, Table]:
        if self._live is not None:
            return self._live.tables
        from featdsl.torch.stand_ins import tables_by_name

        return tables_by_name(self._module)

    def _stack(self, name: str) -> TableEntry | None:
        return None if self._last is None else self._last.tables.get(name)

    @property
    def _graph(self) -> dict[str, FileEntry]:
        """The files that are the same in all versions, where HEAD's has them."""
        if self._last is None or self._live is None:
            return {}
        return {name: self._last.files[name] for name in self._live.graph}

    def _budget(self) -> int | None:
        return self._budget_rows if self._since_full + 1 < self._full_every else None

    def _untold(self) -> frozenset[str]:
        """The tables of which others do not have what was told: nothing was, or it was trained on from elsewhere."""
        return frozenset(n for n, table in self._tables().items() if self._told.get(n) != table.told)

    def _share(self, whole: frozenset[str]) -> Share:
        # `feat prune` may have taken chunks that no version is made of yet.
        merges = {
            name: merge
            for name, merge in self._merges.items()
            if all(self.registry.touch_chunk(chunk) for chunk in merge.layer.chunks)
        }
        return share_of(self._tables().values(), whole, self.registry.put_chunk, self._budget(), merges)

    def _shares(self, tables: Mapping[str, Table], head: Head | None) -> tuple[Share, list[Share]]:
        """What this process tells, and the others of the job."""
        world = self._job.world
        whole = self._untold() | frozenset(
            name
            for name, table in tables.items()
            if needs_anchor(self._stack(name), table, self._budget(), world)
        )
        made_at_us = self._made_at_us(head)
        others = self._job.ask(whole, made_at_us)
        while not (wanted := whole.union(*(other.whole for other in others))) <= whole:
            whole = wanted
            others = self._job.ask(whole, made_at_us)
        share = self._share(whole)
        for other in others:
            if other.layers.keys() != tables.keys():
                raise InputError(
                    "the processes of the job have other tables", help="all train the same module"
                )
        if others:
            check_apart(
                self.registry, [share, *others], {name: table.width for name, table in tables.items()}
            )
        return share, others

    def _made_at_us(self, head: Head | None) -> int | None:
        try:
            return None if head is None else self.registry.version(head.version).created_at_us
        except VersionRefused:
            return None

    def _tell(self) -> Version:
        """The part of a process of a higher rank. Errors: `HeadMoved`, `RegistryError`."""

        def share(round: str, whole: frozenset[str]) -> Share:
            told = self._share(whole | self._untold())
            self._sent = _Sent(
                told, lambda version: version.created_at_us == self._job.committed_at_us(round)
            )
            return told

        def over() -> bool:
            head = self.registry.head()
            if _is_same(head, self._head):
                return False
            self._settle(head)
            return True

        self._job.answer(share, over)
        assert self._last is not None
        return self._last


def _is_same(one: Head | None, other: Head | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.epoch, one.version) == (other.epoch, other.version)


def _is_what(one: Version, other: Version) -> bool:
    """Whether they are made of the same at the same time, whatever their numbers."""
    return (one.created_at_us, one.files, one.tables) == (other.created_at_us, other.files, other.tables)
