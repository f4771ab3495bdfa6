"""The engine against the reference, on joined rows; and what either says about rows that are not right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.bundle import Bundle, build
from compiler.native.rows import run_rows as native
from compiler.reference.arrow_values import python_values
from compiler.reference.run import run_rows as reference
from compiler.row_notes import notes_on
from featdsl.errors import InputError
from tests.compiler.joined import tables
from tests.compiler.programs import MOVIES, compiled

NOW_US = 1_700_000_000_000_000
WIDE = """
feature n      = u.n ?? -1
feature text   = lower(u.s ?? "") |> words
feature ratio  = u.a / u.b ?? 0.0
feature big    = exp(u.x) * 1e300
feature small  = float32(u.x) ?? 0.5
feature when   = request.at
feature ids    = hash(m.tags)
feature bools  = u.xs > 0.5
feature recent = count(u.seen.at > request.at - days(7))
feature pairs  = cross(m.tags, u.seen.id) |> hash(1_000) |> pad(5)
feature hops   = seen_m.a
feature hop    = sum(seen_m.a)
feature mine   = contains(u.seen.id, item)
feature rank   = candidate.rank
feature home   = request.page == "home"
feature choice = if m.q then u.xs else []
feature fixed  = [1, 2, 3]
model net {
  mixed: float32 = [u.a, m.p, u.x, rank, candidate.rank]
  whole: int32   = u.a
  flags: bool    = u.x
  wide:  float64 per request = u.a
  parts: int32   = pad(u.xs, 3)
  label clicked: float32
  output like: float32
}
"""


@pytest.fixture(scope="module")
def movies() -> Bundle:
    return build(MOVIES)


@pytest.fixture(scope="module")
def wide() -> Bundle:
    return compiled(WIDE)


def assert_equal(bundle: Bundle, rows: pa.Table, chunk_rows: int = 4) -> None:
    for set_name in bundle.sets:
        slow = outcome(reference, bundle, set_name, rows, chunk_rows)
        fast = outcome(native, bundle, set_name, rows, chunk_rows)
        if isinstance(slow, str) or isinstance(fast, str):
            assert (type(fast), fast) == (type(slow), fast), (slow, rows.to_pylist())
        else:
            assert fast.schema.equals(slow.schema)
            assert bits(fast) == bits(slow)


def outcome(
    run: Callable[..., pa.Table], bundle: Bundle, set_name: str, rows: pa.Table, chunk_rows: int
) -> pa.Table | str:
    """The result, or the message about the rows."""
    try:
        return run(bundle, set_name, rows, now_us=NOW_US, chunk_rows=chunk_rows)
    except InputError as error:
        return error.message


def bits(table: pa.Table) -> list[str]:
    """The values, exactly: -0.0 is not 0.0 here."""
    return [repr(python_values(column.combine_chunks())) for column in table.columns]


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_engine_and_reference_agree_on_the_movies(movies: Bundle, data: st.DataObject) -> None:
    assert_equal(movies, data.draw(tables(movies.schema)))


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_engine_and_reference_agree_on_every_type(wide: Bundle, data: st.DataObject) -> None:
    assert_equal(wide, data.draw(tables(wide.schema)))


@pytest.fixture(params=[native, reference], ids=["native", "reference"])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


def rows_of(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows))


def test_values(run: Any, wide: Bundle) -> None:
    rows = rows_of(
        {
            "user": 1,
            "item": "k",
            "u": {"a": 7, "b": 2, "n": None, "x": 1e9, "s": "Ab c", "seen": {"id": ["k"], "at": [1]}},
            "m": {"a": 3, "p": True, "q": None, "x": None, "tags": ["t", None]},
            "seen_m": [{"a": 5}],
            "request": {"at": 10, "page": "home"},
            "candidate": {"rank": 4},
        }
    )
    (row,) = run(wide, "features", rows).to_pylist()
    assert (row["n"], row["text"], row["ratio"], row["big"]) == (-1, ["ab", "c"], 3.5, 0.0)
    assert (row["hops"], row["mine"], row["rank"], row["home"]) == ([5], True, 4, True)
    (tensors,) = run(wide, "model/net", rows).to_pylist()
    assert tensors["mixed"] == [7.0, 1.0, 1e9, 4.0, 4.0]
    assert (tensors["whole"], tensors["flags"], tensors["wide"]) == (7, True, 7.0)


def test_a_model_input_that_does_not_fit_is_zero(run: Any, wide: Bundle) -> None:
    rows = rows_of({"user": 1, "item": "k", "u": {"a": 2**40, "x": 1e300, "xs": [1e10, 2.9, -2.9]}})
    (tensors,) = run(wide, "model/net", rows, now_us=NOW_US).to_pylist()
    assert tensors["whole"] == 0
    assert tensors["parts"] == [0, 2, -2]
    assert tensors["mixed"][2] == 0.0


def test_absent_columns_are_missing_rows(run: Any, wide: Bundle) -> None:
    (row,) = run(wide, "features", rows_of({"user": 1, "item": "k"}), now_us=NOW_US).to_pylist()
    assert (row["n"], row["text"], row["hops"], row["rank"], row["home"]) == (-1, [], [], 0, True)
    assert row["when"].timestamp() == NOW_US / 1e6


def test_a_missing_row_of_a_list_is_a_missing_row_for_each_element(run: Any, wide: Bundle) -> None:
    seen = {"id": ["a", "b"], "at": [1, 2]}
    rows = rows_of({"user": 1, "item": "k", "u": {"a": 1, "seen": seen}, "seen_m": None})
    assert run(wide, "features", rows, now_us=NOW_US)["hops"].to_pylist() == [[0, 0]]


def test_lists_of_rows_are_aligned_with_the_key_as_given_or_as_read(run: Any, wide: Bundle) -> None:
    seen = [{"id": i, "at": 1} for i in ("a", None, "c", "d", "e")]
    base = {"user": 1, "item": "k", "u": {"seen": seen}}
    given = base | {"seen_m": [{"a": n} for n in (1, 2, 3, 4, 5)]}
    read = base | {"seen_m": [{"a": n} for n in (1, 3, 4)]}
    assert run(wide, "features", rows_of(given, read), now_us=NOW_US)["hops"].to_pylist() == [[1, 3, 4]] * 2
    with pytest.raises(InputError, match=r"^row 1: `seen_m` has another number of rows.*: 2 instead of 3"):
        run(wide, "features", rows_of(given, base | {"seen_m": [{"a": 1}] * 2}), now_us=NOW_US)


def test_no_rows_give_no_rows(run: Any, wide: Bundle) -> None:
    empty = rows_of({"user": 1, "item": "k"}).slice(0, 0)
    result = run(wide, "features", empty, now_us=NOW_US)
    assert result.num_rows == 0
    assert result.column_names == list(wide.features)


def test_keys_widen_and_nothing_else_does(run: Any, wide: Bundle) -> None:
    narrow = pa.table({"user": pa.array([1], pa.int32()), "item": pa.array(["k"], pa.large_string())})
    assert run(wide, "features", narrow, now_us=NOW_US)["mine"].to_pylist() == [False]
    other = pa.table({"user": pa.array([1], pa.uint32()), "item": pa.array(["k"], pa.string_view())})
    keys = run(compiled("feature u1 = user + 1 feature i1 = item"), "features", other)
    assert keys.to_pylist() == [{"u1": 2, "i1": "k"}]
    with pytest.raises(InputError, match="column `user` must be int64, found uint64"):
        run(compiled("feature f = user"), "features", pa.table({"user": pa.array([1], pa.uint64())}))
    with pytest.raises(InputError, match="column `item` must be string, found int64"):
        run(wide, "features", pa.table({"user": [1], "item": [2]}), now_us=NOW_US)
    with pytest.raises(InputError, match="column `item` has a null, in row 1"):
        run(wide, "features", pa.table({"user": [1, 1], "item": ["k", None]}), now_us=NOW_US)
    with pytest.raises(InputError, match="no column `item` with the string key"):
        run(wide, "features", pa.table({"user": [1]}), now_us=NOW_US)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"u": 3}, "column `u` must be a struct, found int64"),
        ({"seen_m": {"a": 1}}, "column `seen_m` must be a list of structs"),
        ({"u": {"a": "seven"}}, "`u.a` is declared int64, the column holds string"),
        ({"m": {"tags": "t"}}, "`m.tags` is declared list<string>, the column holds string"),
        ({"u": {"a": 2.5}}, "`u.a` is declared int64, the column holds double"),
        ({"u": {"n": datetime(2020, 1, 1)}}, "`u.n` is declared int64?, the column holds timestamp[us]"),
        ({"u": {"s": None, "xs": [True]}}, "`u.xs` is declared list<float64>, the column holds list<"),
        (
            {"u": {"seen": {"id": "x", "at": [1]}}},
            "`u.seen.id` is declared list<string>, the column holds string",
        ),
        ({"u": {"seen": [{"id": 1}]}}, "`u.seen.id` is declared string, the column holds int64"),
        ({"u": {"seen": [1]}}, "`u.seen` is declared a sequence, the column holds list<"),
        ({"seen_m": [{"a": "x"}]}, "`seen_m.a` is declared int64, the column holds string"),
    ],
)
def test_columns_of_another_type(run: Any, wide: Bundle, rows: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(wide, "features", rows_of({"user": 1, "item": "k"} | rows), now_us=NOW_US)
    assert caught.value.message.startswith(message)


def test_a_map_is_one_of_arrow_or_a_list_of_entries(run: Any) -> None:
    prices = "source p of item { prices: map<string, float64> }"
    bundle = compiled(f'{prices} feature f = get(p.prices, "a") ?? -1.0')
    entries = [{"key": "a", "value": 1.0}, {"key": "b", "value": None}, None, {"key": "a", "value": 2.0}]
    (row,) = run(bundle, "features", rows_of({"p": {"prices": entries}})).to_pylist()
    assert row["f"] == 2.0
    for wrong in ({"a": 1.0}, [{"key": "a"}], [1.0], [{"key": 1, "value": 1.0}]):
        with pytest.raises(InputError, match=r"`p.prices` is declared .*, the column holds"):
            run(bundle, "features", rows_of({"p": {"prices": wrong}}))


def test_a_column_that_is_there_twice(run: Any, wide: Bundle) -> None:
    rows = rows_of({"user": 1, "item": "k", "u": {"a": 1}})
    twice = pa.Table.from_arrays([*rows.columns, rows.column("u")], names=[*rows.column_names, "u"])
    with pytest.raises(InputError, match="the rows have 2 columns `u`"):
        run(wide, "features", twice, now_us=NOW_US)
    fields = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    rows = pa.table({"user": [1], "item": ["k"], "u": fields})
    with pytest.raises(InputError, match="column `u` has two fields `a`"):
        run(wide, "features", rows, now_us=NOW_US)


def test_a_required_field_that_is_absent_is_named(run: Any) -> None:
    bundle = compiled("feature f = request.at")
    with pytest.raises(InputError, match=r"have no `request.at`, which is required"):
        run(bundle, "features", rows_of({"user": 1, "item": "k"}))


def test_the_row_is_counted_over_chunks(run: Any, wide: Bundle) -> None:
    good: dict[str, Any] = {
        "user": 1,
        "item": "k",
        "u": {"seen": [{"id": "a", "at": 1}]},
        "seen_m": [{"a": 1}],
    }
    rows = rows_of(*[good] * 5, good | {"seen_m": [{"a": 1}] * 3})
    with pytest.raises(InputError, match=r"^row 5: "):
        run(wide, "features", rows, now_us=NOW_US, chunk_rows=2)


def test_only_some_features_need_only_their_columns(run: Any, wide: Bundle) -> None:
    result = run(wide.only(["rank", "fixed"]), "features", rows_of({"candidate": {"rank": 3}}))
    assert result.to_pylist() == [{"rank": 3, "fixed": [1, 2, 3]}]


def test_notes_say_what_is_absent_or_not_known(wide: Bundle) -> None:
    from compiler.native.rows import RowRunner

    rows = rows_of({"user": 1, "item": "k", "um": {"a": 1}, "m": {"tag": ["x"], "a": 1}})
    plan = RowRunner(wide.only(["ids", "n"]), "features").plan
    assert list(notes_on(rows.schema, plan, wide.schema)) == [
        "there is no column `u`: every row is missing; is it `um`?",
        "the program has no column `um`; did you mean `u`?",
        "`m` has no field `tags`: it reads as missing; is it `tag`?",
    ]
    wrong = rows_of({"user": 1, "item": "k", "u": 3, "m": {"tags": ["x"], "a": 1}})
    assert list(notes_on(wrong.schema, plan, wide.schema)) == []
