"""The Spark backend: its plans, its settings, and its bits on random joined rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.bundle import compile_program
from compiler.native.rows import run_rows
from compiler.reference.arrow_values import python_values
from compiler.spark import FALLBACKS, LOWERINGS
from compiler.spark.engine_nodes import run_node
from compiler.spark.transform import plan_set, transform
from featdsl.errors import InputError
from featdsl.operators import OPERATORS
from tests.compiler.joined import tables
from tests.compiler.programs import checked, compiled
from tests.compiler.test_runs import WIDE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from compiler.bundle import Bundle


def run(spark: SparkSession, bundle: Bundle, rows: pa.Table, set_name: str = "features") -> pa.Table:
    numbered = rows.append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    made = transform(bundle, set_name, spark.createDataFrame(numbered), ["row"])
    return made.toArrow().sort_by("row").drop_columns(["row"])


def values(table: pa.Table, types: pa.Schema) -> dict[str, str]:
    """The columns' values, exactly, in the types of `types` (Spark has no fixed-size lists)."""
    return {
        f.name: repr(python_values(table.column(f.name).combine_chunks().cast(f.type, safe=False)))
        if not pa.types.is_fixed_size_list(f.type)
        else repr(python_values(table.column(f.name).combine_chunks()))
        for f in types
    }


def test_every_operator_runs_in_spark_or_says_why_not() -> None:
    assert set(OPERATORS) == set(LOWERINGS) | {name for name in FALLBACKS if name in OPERATORS}
    assert all(fallback.reason for fallback in FALLBACKS.values())


@given(st.data())
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_spark_and_engine_agree_on_random_rows(spark: SparkSession, data: st.DataObject) -> None:
    bundle = compiled(WIDE)
    rows = data.draw(tables(bundle.schema, 40).filter(lambda table: "request" in table.column_names))
    for set_name in bundle.sets:
        wanted = run_rows(bundle, set_name, rows)
        got = run(spark, bundle, rows, set_name)
        assert values(got, wanted.schema) == values(wanted, wanted.schema)


def test_sums_in_another_order_are_other_sums(spark: SparkSession) -> None:
    """With Spark's subexpression elimination the two features come out alike."""
    lets = "let y = u.a * 0.1\nlet z = u.b * 0.7\n"
    bundle = compiled(lets + "feature one = (u.x + y) + z\nfeature two = u.x + (y + z)")
    made = [{"x": n / 7, "a": n * 31, "b": n * 17} for n in range(200)]
    rows = pa.Table.from_pylist([{"user": 1, "item": "k", "u": u} for u in made])
    got, wanted = run(spark, bundle, rows), run_rows(bundle, "features", rows)
    assert values(got, wanted.schema) == values(wanted, wanted.schema)
    assert got["one"] != got["two"]


def test_long_lists_take_no_square_of_time(spark: SparkSession) -> None:
    """Many minutes where each element, or each place, is compared with all others."""
    text = """
        namespace long
        entity user: int64 per request
        request { xs: list<float64>  ys: list<int64>  part: list<int64> }
        feature kept  = size(distinct(request.xs))
        feature first = first(distinct(request.xs)) ?? 1.0
        feature place = index_of(request.ys, request.part) ?? -1
    """
    bundle = compile_program(checked(text))
    size = 100_000
    request = {"xs": [-0.0, 0.0, *range(size)], "ys": [1] * size + [2], "part": [1] * (size // 2) + [2]}
    type = pa.struct([("xs", pa.list_(pa.float64())), *((n, pa.list_(pa.int64())) for n in ("ys", "part"))])
    made = run(spark, bundle, pa.table({"user": [1], "request": pa.array([request], type)})).to_pylist()
    assert [(row["kept"], str(row["first"]), row["place"]) for row in made] == [(size, "-0.0", size // 2)]


def test_a_deep_program_stays_as_small_as_it_is_written(spark: SparkSession) -> None:
    lets = ["let d0 = u.x"] + [f"let d{i} = d{i - 1} * 0.5 + d{i - 1}" for i in range(1, 61)]
    bundle = compiled("\n".join([*lets, "feature deep = d60"]))
    plan = plan_set(bundle, "features")
    assert sum(len(str(sql)) for layer in plan.layers for sql in layer.values()) < 10_000
    rows = pa.Table.from_pylist([{"user": 1, "item": "k", "u": {"x": 1.5, "a": 1}}])
    assert run(spark, bundle, rows).to_pylist() == run_rows(bundle, "features", rows).to_pylist()


def test_the_plan_says_what_runs_in_the_engine() -> None:
    plan = plan_set(compiled('feature text = lower(u.s ?? "")'), "features")
    assert [found.node.op for found in plan.engine_nodes] == ["lower"]
    assert any("lower (1x)" in line for line in plan.describe())


def test_a_session_with_other_settings_is_refused(spark: SparkSession) -> None:
    other = spark.newSession()
    other.conf.set("spark.sql.ansi.enabled", "true")
    rows = other.createDataFrame(pa.table({"user": [1], "item": ["k"]}))
    with pytest.raises(InputError, match=r"`spark\.sql\.ansi\.enabled` must be false: true"):
        transform(compiled("feature one = 1"), "features", rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"u": 3}, "`u` is not a struct: bigint"),
        ({"u": {"a": "seven"}}, "`u.a` is not int64: string"),
        ({"seen_m": {"a": 1}}, "`seen_m` is not a list of structs"),
    ],
)
def test_columns_of_another_type(spark: SparkSession, rows: dict[str, object], message: str) -> None:
    table = pa.Table.from_pylist([{"user": 1, "item": "k", "request": {"at": 1, "page": ""}} | rows])
    with pytest.raises(InputError) as caught:
        run(spark, compiled(WIDE), table)
    assert message in caught.value.message


def test_vectors_that_are_all_null_go_into_the_engine() -> None:
    declared = "entity user: int64 per request\nsource w of user { v: vector<float64, 2>? }\n"
    bundle = compile_program(checked(declared + "feature f = dot(w.v, w.v)"))
    program = bundle.programs["features"]["request"]
    stream = pa.BufferOutputStream()
    batch = pa.record_batch({"v": pa.array([None, None], pa.list_(pa.float64()))})
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    # as Spark sends it: a list without elements has no buffer of offsets
    given = pa.ipc.open_stream(stream.getvalue()).read_next_batch().column(0)
    made = run_node(program, (("w.v", "vector<float64, 2>?"),), [given], "float64?", 2)
    assert made.to_pylist() == [None, None]
