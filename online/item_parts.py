"""What a version of the model makes of an item alone, made once and kept beside the item's row.

Parts lie in a table for each version, under what is known of the version's files and options, so one version never
meets parts of another; and each is found beside the very row that it was made of, so it goes with that row, whatever
makes it go.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine import Batch, ItemColumns, ItemLookup, ItemTable
from online.models import ItemParts, ModelFailed, PartingModelServer, Tensors

log = logging.getLogger("featdsl.item_parts")

_MOST_VERSIONS = 8
"""Of those that were asked last, tables are remembered."""


class VersionParts:
    """The parts of one version, in a table of their own. Thread safe."""

    def __init__(
        self, of: ItemParts, rows: ItemTable, new_table: Callable[[list[tuple[str, str]]], ItemTable]
    ) -> None:
        self.of = of
        self.in_place_of = frozenset(of.made_of) - frozenset(of.beside)
        """The inputs that need not be made for items whose parts are there."""
        self.columns: ItemColumns = rows.without(sorted(self.in_place_of))
        self._types = [(name, _type(dtype, shape)) for name, (dtype, shape) in of.parts.items()]
        self._table = new_table(self._types)

    def find(self, rows: ItemLookup) -> ItemLookup:
        return self._table.find_parts(rows)

    def batch(self, made: Tensors, size: int) -> Batch:
        """Errors: `ModelFailed` for what is not as it was said."""
        columns = []
        for name, (dtype, shape) in self.of.parts.items():
            array = made.get(name)
            if array is None or array.dtype != dtype or array.shape != (size, *shape):
                raise ModelFailed(f"the part `{name}` of {size} items is not as the version says")
            values = pa.array(np.ascontiguousarray(array).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(values, math.prod(shape)) if shape else values)
        return Batch.from_arrow(pa.RecordBatch.from_arrays(columns, list(self.of.parts)), self._types)

    def tensors(self, batch: Batch) -> dict[str, npt.NDArray[Any]]:
        found = batch.tensors(list(self.of.parts))
        return {name: found[name].reshape(-1, *shape) for name, (_, shape) in self.of.parts.items()}


class CallParts:
    """The parts of one call's items, once all of these are there. For one thread."""

    def __init__(self, version: VersionParts, rows: ItemLookup) -> None:
        self.version = version
        self._rows = rows
        self._found: ItemLookup | None = None
        self._gathered: dict[str, npt.NDArray[Any]] | None = None

    def gather_if_known(self, items: npt.NDArray[np.int64]) -> None:
        """Gathers the parts of the items at these places, unless some have to be made."""
        if len(self._looked_up().missing) == 0:
            self._gathered = self._gather(items)

    def tensors(
        self, items: npt.NDArray[np.int64], make: Callable[[Tensors], Tensors]
    ) -> dict[str, npt.NDArray[Any]]:
        """A part each of the items at these places. `make` is asked for those that are not known."""
        if self._gathered is None:
            found = self._looked_up()
            missing = found.missing
            if len(missing):
                inputs = self._rows.rows(missing).tensors(self.version.of.made_of)
                found.add_parts(self.version.batch(make(inputs), len(missing)))
            self._gathered = self._gather(items)
        return self._gathered

    def _looked_up(self) -> ItemLookup:
        if self._found is None:
            self._found = self.version.find(self._rows)
        return self._found

    def _gather(self, items: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
        return self.version.tensors(self._looked_up().rows(items))


class KeptParts:
    """The parts of a program's items, by version. Thread safe."""

    def __init__(
        self,
        server: PartingModelServer,
        rows: ItemTable,
        new_table: Callable[[list[tuple[str, str]]], ItemTable],
        made: Collection[str],
    ) -> None:
        """`rows`: where the items' rows are, with the columns `made`."""
        self._server = server
        self._rows = rows
        self._new_table = new_table
        self._made = frozenset(made)
        self._lock = threading.Lock()
        self._versions: OrderedDict[str, VersionParts | None] = OrderedDict()

    def of(self, version: int) -> VersionParts | None:
        """None for a version that is run whole. Errors: `ModelServerDown`."""
        of = self._server.item_parts(version)
        if of is None:
            return None
        with self._lock:
            if of.identity not in self._versions:
                self._versions[of.identity] = self._begun(of)
                if len(self._versions) > _MOST_VERSIONS:
                    self._versions.popitem(last=False)
            self._versions.move_to_end(of.identity)
            return self._versions[of.identity]

    def predict(
        self,
        version: int,
        parts: CallParts,
        items: npt.NDArray[np.int64],
        inputs: Tensors,
        left_s: Callable[[], float],
    ) -> dict[str, npt.NDArray[Any]]:
        """As `ModelServer.predict`; `items` are the candidates' places among the call's items."""
        of = parts.version.of

        def make(inputs: Tensors) -> Mapping[str, npt.NDArray[Any]]:
            return self._server.make_parts(version, of, inputs, left_s())

        known = parts.tensors(items, make)
        given = {**{name: inputs[name] for name in of.beside}, **known}
        return self._server.predict_with_parts(version, of, given, left_s())

    def _begun(self, of: ItemParts) -> VersionParts | None:
        if not of.made_of or not self._made.issuperset(of.made_of):
            log.warning(
                "parts of items are not kept: this program does not make %s of items alone", of.made_of
            )
            return None
        return VersionParts(of, self._rows, self._new_table)


def _type(dtype: str, shape: tuple[int, ...]) -> str:
    return f"vector<{dtype}, {math.prod(shape)}>" if shape else dtype
