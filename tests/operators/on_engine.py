"""One-off programs over columns, in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from compiler.bundle import compile_program
from compiler.native.rows import run_rows
from featdsl.check import check
from featdsl.types import parse_type
from tests.conformance.programs import arrow_type

Columns = Mapping[str, tuple[str, Sequence[Any]]]
"""By name: a type as the language writes it, and a value a row."""


def run(features: Mapping[str, str], columns: Columns) -> dict[str, list[Any]]:
    """What each expression gives, by name, a value a row; expressions read `request.<column>`."""
    fields = " ".join(f"{name}: {type}" for name, (type, _) in columns.items())
    lines = ["namespace tests", "entity user: int64 per request", f"request {{ {fields} }}"]
    lines += [f"feature {name} = {expression}" for name, expression in features.items()]
    result = check("tests.feat", overlay={"tests.feat": "\n".join(lines)}, nullable_features=True)
    assert result.program is not None, [(d.message, d.label) for d in result.diagnostics]
    arrays = [pa.array(values, arrow_type(parse_type(type))) for type, values in columns.values()]
    request = pa.StructArray.from_arrays(arrays, names=list(columns))
    table = pa.table({"user": pa.nulls(len(request), pa.int64()).fill_null(1), "request": request})
    out = run_rows(compile_program(result.program), "features", table)
    return {name: out.column(name).to_pylist() for name in features}
