"""Sets over lists of lists: a list that stands beside many others is read once, not once for each of them."""

from __future__ import annotations

import random
import time
from typing import Any

import pyarrow as pa
import pytest

from compiler.bundle import compile_program
from compiler.native.rows import run_rows as in_engine
from compiler.reference.run import run_rows as in_reference
from featdsl.check import check

MOST_S = 20.0
"""On a busy machine; the product of the two lengths would take minutes."""

TWO_SIDED = ("overlap_count", "jaccard", "containment", "max_count", "cosine", "is_subset")


def _program(kind: str, expressions: list[str]) -> Any:
    text = (
        "namespace t\nentity user: int64 per request\nentity item: string per candidate\n"
        f"request {{ many: list<list<{kind}>> one: list<{kind}> }}\n"
        + "\n".join(f"feature f{i} = {e}" for i, e in enumerate(expressions))
    )
    result = check("t.feat", overlay={"t.feat": text})
    assert result.program is not None
    return compile_program(result.program)


def _rows(values: list[dict[str, Any]], type: pa.DataType) -> pa.Table:
    block = pa.struct([("many", pa.list_(pa.list_(type))), ("one", pa.list_(type))])
    count = len(values)
    return pa.table({"user": [1] * count, "item": ["a"] * count, "request": pa.array(values, block)})


@pytest.mark.parametrize(("kind", "type"), [("int64", pa.int64()), ("string", pa.string())])
def test_a_list_beside_many_is_of_its_own_row(kind: str, type: pa.DataType) -> None:
    drawn = random.Random(7)

    def some(most: int) -> list[Any]:
        values = [drawn.randrange(60) for _ in range(drawn.randrange(most))]
        return [str(v) for v in values] if kind == "string" else values

    rows = [{"many": [some(9) for _ in range(drawn.randrange(6))], "one": some(90)} for _ in range(80)]
    sides = ("request.many, request.one", "request.one, request.many", "request.many, request.many")
    expressions = [f"{name}({side})" for name in TWO_SIDED for side in sides]
    expressions += [f"flatten({name}({side}))" for name in ("intersection", "difference") for side in sides]
    expressions.append("flatten(among(request.many, request.one))")
    bundle = _program(kind, expressions)
    table = _rows(rows, type)
    assert in_engine(bundle, "features", table) == in_reference(bundle, "features", table)


@pytest.mark.parametrize("name", TWO_SIDED)
@pytest.mark.parametrize("side", ["request.many, request.one", "request.one, request.many"])
def test_a_long_list_beside_many_takes_linear_time(name: str, side: str) -> None:
    row = {"many": [[i, i * 7, -i] for i in range(30_000)], "one": [i * 3 for i in range(100_000)]}
    bundle = _program("int64", [f"{name}({side})"])
    table = _rows([row], pa.int64())
    start = time.perf_counter()
    in_engine(bundle, "features", table)
    took = time.perf_counter() - start
    assert took < MOST_S, f"{took:.1f} s"
