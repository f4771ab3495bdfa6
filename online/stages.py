"""A program set on one call: the request's stage once, the item stage once a distinct item, the others once a
candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compiler.arrow_types import arrow_type
from compiler.bundle import Bundle
from compiler.native.program import StagePrograms, carried, stage_programs
from compiler.signature import ModelSignature
from engine import Batch, Program
from online.item_cache import KnownItems


@dataclass(slots=True)
class Inputs:
    """What was read for a call: batches of one row, of one a distinct item, and of one a candidate.
    `item_rows[i]` is candidate i's row among the items. `known`: the items that a cache has; then the
    batches are of the missing ones alone. `statuses`: the worst of each item's own rows, hops apart."""

    num_items: int
    num_candidates: int
    item_rows: npt.NDArray[np.int64]
    statuses: npt.NDArray[np.uint8]
    known: KnownItems | None = None
    request: list[Batch] = field(default_factory=list)
    item: list[Batch] = field(default_factory=list)
    pair: list[Batch] = field(default_factory=list)

    @property
    def item_statuses(self) -> npt.NDArray[np.uint8]:
        """Those of all items; where some were known, once the missing ones have been computed."""
        return self.statuses if self.known is None else self.known.lookup.statuses

    def add(self, level: str, batch: Batch) -> None:
        """Adds a batch at a level: `request`, `item` or `pair`."""
        {"request": self.request, "item": self.item, "pair": self.pair}[level].append(batch)

    def holding(self, name: str) -> Batch:
        """The batch with an input. Errors: `KeyError`."""
        for batch in (*self.request, *self.item, *self.pair):
            if name in batch.names:
                return batch
        raise KeyError(name)


@dataclass(slots=True)
class Computed:
    """What the stages up to the model made: `results` batch by batch, with the names of those that are meant, and
    `passed`, the columns that the stage after it may read."""

    results: list[tuple[Batch, Sequence[str]]]
    passed: list[Batch]

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """All results, with a row a candidate, or one row of what is the same for all."""
        found: dict[str, npt.NDArray[Any]] = {}
        for batch, names in self.results:
            found |= batch.tensors(names)
        return found

    @property
    def columns(self) -> dict[str, Batch]:
        """By result the batch that it is in."""
        return {name: batch for batch, names in self.results for name in names}


class Stages:
    """The programs of one set. Thread safe."""

    def __init__(self, bundle: Bundle, set_name: str) -> None:
        """Errors: `InputError` if the engine does not take the program."""
        self.programs: StagePrograms = stage_programs(bundle, set_name)
        self._request = _Stage.of(self.programs.request)
        self._item = _Stage.of(self.programs.item)
        self._pair = _Stage.of(self.programs.pair)
        self._after = _Stage.of(self.programs.after)
        self.of_request: frozenset[str] = frozenset(self._request.results if self._request else ())
        """The results that have one row."""
        self.of_items: frozenset[str] = frozenset(self._item.results if self._item else ())
        """The results that do not depend on the request."""

    def compute(self, inputs: Inputs) -> Computed:
        """Everything that does not need the model."""
        computed = Computed([], [])
        if self._request is not None:
            self._request.tell(self._request.program.run(inputs.request, 1), computed)
        if self._item is not None:
            without = frozenset() if inputs.known is None else inputs.known.in_place_of
            self._item.tell(self._items(self._item.program, inputs), computed, without)
        if self._pair is not None:
            made = self._pair.program.run([*inputs.pair, *computed.passed], inputs.num_candidates)
            self._pair.tell(made, computed)
        return computed

    def _items(self, program: Program, inputs: Inputs) -> Batch:
        """What the item stage gives, a row a candidate. Where parts are read in place of results, these may be
        absent."""
        known = inputs.known
        count = len(inputs.statuses)
        made = program.run(inputs.item, count) if count or known is None else None
        if known is not None and made is not None:
            known.add(made, inputs.statuses)
        each_its_own = inputs.num_items == inputs.num_candidates
        if made is not None and count == inputs.num_items:
            return made if each_its_own else made.take(inputs.item_rows)
        assert known is not None
        return known.gather(inputs.item_rows)

    def after(
        self,
        computed: Computed,
        inputs: Inputs,
        model: ModelSignature,
        outputs: Mapping[str, npt.NDArray[Any]],
    ) -> Mapping[str, npt.NDArray[Any]]:
        """`keep` and `score`, those that the program has, from the model's outputs."""
        if self._after is None:
            return {}
        arrays = [pa.array(outputs[column.name], arrow_type(column.type)) for column in model.outputs]
        names = [f"output.{column.name}" for column in model.outputs]
        types = [(name, str(c.type)) for name, c in zip(names, model.outputs, strict=True)]
        answered = Batch.from_arrow(pa.RecordBatch.from_arrays(arrays, names), types)
        batches = [*inputs.pair, *computed.passed, answered]
        return self._after.program.run(batches, inputs.num_candidates).tensors(self._after.results)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A program, the names of its `results`, and whether it passes something on to later stages."""

    program: Program
    results: list[str]
    passes: bool

    @classmethod
    def of(cls, program: Program | None) -> _Stage | None:
        if program is None:
            return None
        names = [name for name, _ in program.outputs]
        passed = frozenset(carried(names))
        return cls(program, [name for name in names if name not in passed], bool(passed))

    def tell(self, made: Batch, computed: Computed, without: frozenset[str] = frozenset()) -> None:
        """Adds what it made to what was computed."""
        results = [name for name in self.results if name not in without] if without else self.results
        if results:
            computed.results.append((made, results))
        if self.passes:
            computed.passed.append(made.carried() if self.results else made)
