"""The checked tree, evaluated as it stands with the operators' references: no compiler, no pass."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from compiler.inputs import in_reading_order
from compiler.reference.arrow_values import python_values
from compiler.reference.read import read_source, read_struct
from featdsl.operators.evaluate import apply
from featdsl.program import CheckedProgram
from featdsl.typed import Typed


def run_tree(program: CheckedProgram, table: pa.Table) -> dict[str, list[Any]]:
    """Each feature's values over the joined rows."""
    results: dict[str, list[Any]] = {feature.name: [] for feature in program.features}
    columns = {name: python_values(table.column(name).combine_chunks()) for name in table.column_names}
    for number in range(table.num_rows):
        inputs = _inputs(program, {name: values[number] for name, values in columns.items()})
        values: dict[Typed, Any] = {}
        for feature in program.features:
            results[feature.name].append(_value(feature.value, inputs, values))
    return results


def _inputs(program: CheckedProgram, row: dict[str, Any]) -> dict[str, Any]:
    schema = program.schema
    inputs = {entity.name: _key(row.get(entity.name)) for entity in schema.entities}
    inputs |= read_struct("request", schema.request, row.get("request"))
    inputs |= read_struct("candidate", schema.candidate, row.get("candidate"))
    for source in in_reading_order(schema.sources):
        given = row.get(source.name)
        if source.per_element and given is None:
            given = [None] * len(inputs[source.key])
        inputs |= read_source(source, given)
    return inputs


def _key(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _value(root: Typed, inputs: dict[str, Any], values: dict[Typed, Any]) -> Any:
    stack = [root]
    while stack:
        node = stack[-1]
        missing = [a for a in node.args if a not in values] if node not in values else []
        if missing:
            stack += missing
            continue
        stack.pop()
        if node not in values:
            values[node] = _apply(node, [values[a] for a in node.args], inputs)
    return values[root]


def _apply(node: Typed, arguments: list[Any], inputs: dict[str, Any]) -> Any:
    attributes = dict(node.attributes)
    if node.op == "const":
        return attributes["value"]
    if node.op == "input":
        return inputs[str(attributes["name"])]
    if node.op == "list":
        return arguments
    return apply(node.op, node.overload, arguments, attributes, node.mapped, node.drops_null)
