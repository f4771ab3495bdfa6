"""Joined rows as a scoring call: rows from the store's bytes, and each stage on its own number of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from compiler.arrow_types import arrow_type
from compiler.bundle import Bundle
from compiler.inputs import in_reading_order
from compiler.joined_rows import computable, output_schema
from compiler.native.program import StagePrograms
from compiler.reference.arrow_values import python_values
from engine._engine import Batch
from featdsl.levels import Level
from featdsl.program import Entity, Source
from online.stages import Inputs, Stages
from store.encode import RowEncoder
from store.read import SourceReader


def run_as_call(bundle: Bundle, set_name: str, rows: pa.Table, items: int) -> pa.Table:
    """The outputs of a set for one call. All `rows` are of one user; candidate i is item `i % items`, so a row has
    the values of that item's first row wherever they are the item's."""
    return RunningCall(bundle, set_name, rows, items).run()


class RunningCall:
    """A call that is about to be computed: `inputs` is what the stages read."""

    def __init__(self, bundle: Bundle, set_name: str, rows: pa.Table, items: int) -> None:
        self._bundle = bundle
        self._set_name = set_name
        self._rows = rows.num_rows
        self._table = rows.combine_chunks()
        self._sizes = {Level.REQUEST: 1, Level.ITEM: items, Level.PAIR: rows.num_rows}
        self.stages = Stages(bundle, set_name)
        numbers = np.arange(rows.num_rows, dtype=np.int64) % items
        self.inputs = Inputs(items, rows.num_rows, numbers, np.zeros(items, np.uint8))
        self._read(self.stages.programs)

    def run(self) -> pa.Table:
        """The outputs, a row a candidate; what is made once a call or once an item is repeated."""
        computed = self.stages.compute(self.inputs)
        roots = computable(self._bundle, self._set_name)
        columns = []
        for name, root in roots.items():
            made = (
                pa.record_batch(computed.columns[name].select([name])).column(0).cast(arrow_type(root.type))
            )
            columns.append(made if len(made) == self._rows else made.take(pa.array([0] * self._rows)))
        return pa.table(columns, output_schema(roots))

    def _read(self, programs: StagePrograms) -> None:
        schema = self._bundle.schema
        for entity in schema.entities:
            if entity.name in programs.inputs:
                self._add_key(entity)
        for name, level in (("request", Level.REQUEST), ("candidate", Level.PAIR)):
            if programs.fields_of(name):
                array = self._column(name, level)
                self.inputs.add(level.label, programs.reader_of(name).read_arrow(array))
        for source in in_reading_order(schema.sources):
            if programs.fields_of(source.name):
                self._add_source(source, programs)

    def _add_key(self, entity: Entity) -> None:
        level = Level.ITEM if entity.per_candidate else Level.REQUEST
        keys = self._column(entity.name, level).cast(arrow_type(entity.type))
        batch = pa.RecordBatch.from_arrays([keys], [entity.name])
        self.inputs.add(level.label, Batch.from_arrow(batch, [(entity.name, str(entity.type))]))

    def _add_source(self, source: Source, programs: StagePrograms) -> None:
        encoder = RowEncoder(source)
        reader = SourceReader(source, _Schemas(encoder), programs.inputs_and_keys)
        rows = python_values(self._column(source.name, source.level))
        if source.per_element:
            keys = self.inputs.holding(source.key).values(source.key)
            lists = [given or [None] * len(key) for given, key in zip(rows, keys, strict=True)]
            encoded = [None if row is None else encoder.encode(row) for one in lists for row in one]
            read = reader.read_lists(encoded, [len(one) for one in lists])
        else:
            read = reader.read([None if row is None else encoder.encode(row) for row in rows])
        self.inputs.add(source.level.label, read.batch)

    def _column(self, name: str, level: Level) -> pa.Array:
        """The column's first row, those of the items, or all."""
        if name not in self._table.column_names:
            return pa.nulls(self._sizes[level], pa.struct([]))
        column = self._table.column(name).combine_chunks()
        whole = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        return whole.slice(0, self._sizes[level])


class _Schemas:
    """A store that holds one writer schema."""

    def __init__(self, encoder: RowEncoder) -> None:
        self._encoder = encoder

    def schema(self, fingerprint: bytes) -> str | None:
        return self._encoder.schema if fingerprint == self._encoder.fingerprint else None
