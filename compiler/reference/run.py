"""The oracle: a program on joined rows, a node and a row at a time, in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from compiler.bundle import Bundle
from compiler.ir import Node, Root, reachable
from compiler.joined_rows import (
    Part,
    Plan,
    computable,
    key_column,
    output_schema,
    plan_reading,
    run_table,
    struct_column,
)
from compiler.reference.aligned import aligned_rows
from compiler.reference.arrow_values import python_values
from compiler.reference.read import read_source, read_struct
from compiler.reference.store import stored_column
from featdsl.errors import InputError
from featdsl.operators.evaluate import bind
from featdsl.program import Source

Progress = Callable[[int], None]


def run_rows(
    bundle: Bundle,
    set_name: str,
    rows: pa.Table | pa.RecordBatch,
    *,
    now_us: int | None = None,
    chunk_rows: int = 1024,
    on_progress: Progress | None = None,
) -> pa.Table:
    """The outputs of a program set for joined rows, one row each, in order: for `features` a column a
    feature, for `model/<name>` a column an input. What a model's outputs are needed for (`keep`, `score`) is
    not there.

    `now_us` is what a field with `= now` reads as where the rows do not have it. `on_progress` is told how
    many rows are done. Errors: `InputError` for rows that cannot be read, with column and row.
    """
    return run_table(RowRunner(bundle, set_name, now_us=now_us), rows, chunk_rows, on_progress)


class RowRunner:
    """A program set for batch after batch of joined rows."""

    def __init__(self, bundle: Bundle, set_name: str, *, now_us: int | None = None) -> None:
        self._roots = computable(bundle, set_name)
        self._evaluator = Evaluator(self._roots)
        self.plan = plan_reading(bundle.schema, bundle.outputs(set_name), now_us)
        self.schema = output_schema(self._roots)
        self.nonfinite_total = 0

    def run(self, rows: pa.RecordBatch, *, first_row: int = 0) -> pa.RecordBatch:
        """The outputs for these rows. `first_row` is the number of the first, for messages."""
        results = [self._evaluator.evaluate(inputs) for inputs in read_inputs(rows, self.plan, first_row)]
        columns = []
        for name, root in self._roots.items():
            column, nonfinite = stored_column([result[name] for result in results], root.type)
            columns.append(column)
            self.nonfinite_total += nonfinite
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


class Evaluator:
    """Evaluates roots on the inputs of one row."""

    def __init__(self, roots: Mapping[str, Root]) -> None:
        self._roots = {name: root.node.id for name, root in roots.items()}
        self._steps = [_step(node) for node in reachable(root.node for root in roots.values())]

    def evaluate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The value of each root, not yet stored."""
        values: dict[int, Any] = {}
        for number, args, compute in self._steps:
            values[number] = compute(inputs, [values[arg] for arg in args])
        return {name: values[number] for name, number in self._roots.items()}


Compute = Callable[[Mapping[str, Any], list[Any]], Any]


def _step(node: Node) -> tuple[int, list[int], Compute]:
    return node.id, [arg.id for arg in node.args], _computing(node)


def _computing(node: Node) -> Compute:
    if node.op == "input":
        name = node.attribute("name")
        return lambda inputs, args: inputs[name]
    if node.op == "const":
        value = node.attribute("value")
        return lambda inputs, args: value
    if node.op == "list":
        return lambda inputs, args: args
    apply = bind(node.op, node.overload, dict(node.attributes), node.mapped, node.drops_null)
    return lambda inputs, args: apply(args)


def read_inputs(batch: pa.RecordBatch, plan: Plan, first_row: int = 0) -> Iterator[dict[str, Any]]:
    """The inputs of each row by name, after the input rules. `first_row` is the number of the first, for
    messages."""
    keys = {entity.name: python_values(key_column(batch, entity, first_row)) for entity in plan.keys}
    columns = {part.name: python_values(struct_column(batch, part)) for part in plan.parts}
    owners = {part.name: part.source for part in plan.parts if part.source is not None}
    for i in range(batch.num_rows):
        given = {name: column[i] for name, column in columns.items()}
        inputs: dict[str, Any] = {name: _key(column[i], name, first_row + i) for name, column in keys.items()}
        for part in plan.parts:
            try:
                inputs.update(_read_part(part, given, inputs, owners))
            except InputError as error:
                raise InputError(f"row {first_row + i}: {error.message}", help=error.help) from None
        yield inputs


def _read_part(
    part: Part, given: Mapping[str, Any], inputs: Mapping[str, Any], owners: Mapping[str, Source]
) -> dict[str, Any]:
    value = given[part.name]
    source = part.source
    if source is None:
        return read_struct(part.name, part.fields, value)
    needed = Source(
        source.name,
        source.key,
        source.key_type,
        source.level,
        part.fields,
        source.rows_of,
        source.per_element,
    )
    if source.per_element:
        owner = owners[source.key.split(".")[0]]
        places = aligned_rows(source, value, inputs[source.key], owner, given[owner.name])
        value = [None if place is None else value[place] for place in places]
    return read_source(needed, value)


def _key(value: Any, name: str, row: int) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InputError(f"row {row}: the key `{name}` is not UTF-8") from None
