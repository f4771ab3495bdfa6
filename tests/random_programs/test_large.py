"""Long lists and texts through every overload and every def of the standard library: no crash, and no time that grows
with the square of the length."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pytest

from compiler.bundle import compile_program
from compiler.native.rows import RowRunner
from featdsl.check import check
from featdsl.rendering import as_text
from featdsl.types import Kind
from tests.random_programs.generate import Callee, Expression, Overload, all_callees
from tests.random_programs.inputs import declarations, vocab_files
from tests.random_programs.programs import PATH, calls_on_inputs
from tests.random_programs.runs import draw
from tests.random_programs.values import POOLS, fields_of, struct_type

ELEMENTS = 100_000
TEXT_BYTES = 1_000_000
MOST_S = 20.0
"""On a busy machine; a square of the length would take minutes."""

PRODUCTS = {
    "cross": "every combination of the lists' elements is asked for",
    "join": "the separator, as long as any text, stands between all elements",
}
"""Operators whose result grows faster than what they are given, and why."""

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


@pytest.mark.parametrize("name", [name for name in all_callees() if name not in PRODUCTS])
def test_long_values_take_linear_time(name: str) -> None:
    for callees in all_callees()[name]:
        if _takes_long_values(callees[0]):
            drawn: list[Expression] = []
            draw(calls_on_inputs(callees[0]), 1, drawn.append, shrink=False)
            _run(drawn[0])


def _takes_long_values(callee: Callee) -> bool:
    if isinstance(callee, Overload):
        return any(p.pattern.name in ("list", "map", "string") for p in callee.parameters)
    return any(type.is_listlike or type.kind is Kind.STRING for type in callee.types)


def _run(made: Expression) -> None:
    text = declarations(made.inputs).replace("[40]", "").replace("sequence[20]", "sequence")
    text += "\n".join([*made.defs, f"feature f = {made.text}"])
    result = check(PATH, overlay={PATH: text, **vocab_files()}, nullable_features=True)
    assert result.program is not None, as_text(result.diagnostics)
    columns = {"user": pa.array([1]), "item": pa.array(["a"])}
    for block in ("u", "m", "request", "candidate"):
        fields = fields_of(block, made.inputs)
        if fields:
            type = struct_type(fields)
            columns[block] = pa.array([_row(type)], type)
    rows = pa.record_batch(columns)
    runner = RowRunner(compile_program(result.program), "features")
    start = time.perf_counter()
    runner.run(rows)
    took = time.perf_counter() - start
    assert took < MOST_S, f"{took:.1f} s for {made.text}"


def _row(type: pa.StructType) -> dict[str, Any]:
    return {field.name: _long(field.type) for field in type}


def _long(type: pa.DataType, inside: bool = False) -> Any:
    """A value with as many elements, or bytes, as is asked of an engine; what lies `inside` another is short."""
    count = 4 if inside else ELEMENTS
    if pa.types.is_struct(type):
        return {field.name: _long(field.type, True) for field in type}
    if pa.types.is_fixed_size_list(type):
        return [_long(type.value_type, True)] * type.list_size
    if pa.types.is_map(type):
        text = pa.types.is_string(type.key_type)
        entries = count // 10 if pa.types.is_nested(type.item_type) and not inside else count
        return [(f"k{i}" if text else i, _long(type.item_type, True)) for i in range(entries)]
    if pa.types.is_list(type):
        if pa.types.is_nested(type.value_type):
            return [_long(type.value_type, True)] * (count // 4)
        pool = POOLS[_kind(type.value_type)]
        return [_varied(pool[i % len(pool)], i) for i in range(count)]
    if pa.types.is_string(type):
        return "ab é" if inside else "ab é,🙂" * (TEXT_BYTES // 12)
    return POOLS[_kind(type)][1]


def _varied(value: Any, number: int) -> Any:
    """Mostly distinct values, so that sets are large."""
    if isinstance(value, str):
        return f"{value}{number}"
    return number * 79 if isinstance(value, int) and not isinstance(value, bool) and number % 2 else value


def _kind(type: pa.DataType) -> Kind:
    names = {"double": "float64", "float": "float32", "string": "string"}
    return Kind(names.get(str(type), str(type)))
