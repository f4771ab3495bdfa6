"""The input rules: the engine, from Arrow and from Avro, against the plain reference."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.reference.read import input_names, read_source
from engine._engine import Batch, EngineError
from featdsl.levels import Level
from featdsl.program import Field, Sequence, Source
from featdsl.types import FLOAT32, FLOAT64, INT32, INT64, STRING, TIMESTAMP, list_of, map_of, vector_of
from store.avro_schema import fingerprint
from store.decode_plan import decode_plan
from store.encode import RowEncoder
from store.read import row_reader
from tests.engine.row_cases import arrow_struct, rows, sources_with_rows, struct_of_lists


def source(*fields: Field | Sequence, per_element: bool = False) -> Source:
    return Source("s", "user", INT64, Level.REQUEST, fields, "s", per_element)


def columns(batch: Batch) -> dict[str, list[Any]]:
    """The batch as Python values, floats by their bits (all NaN apart)."""
    return {name: [exact(value) for value in batch.values(name)] for name in batch.names}


def exact(value: Any) -> Any:
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, list | tuple):
        return [exact(element) for element in value]
    if isinstance(value, dict):
        return [[exact(key), exact(element)] for key, element in value.items()]
    return value


def expected(declared: Source, given_rows: list[Any]) -> dict[str, list[Any]]:
    read = [read_source(declared, row) for row in given_rows]
    return {name: [exact(row[name]) for row in read] for name in input_names("s", declared.fields)}


def avro(declared: Source, given_rows: list[Any]) -> tuple[Batch, list[int]]:
    reader = row_reader("s", declared.fields)
    encoder = RowEncoder(declared)
    reader.add_schema(encoder.fingerprint, decode_plan(encoder.schema, declared.fields))
    batch, statuses, unknown, *_ = reader.read_avro(
        [None if r is None else encoder.encode(r) for r in given_rows]
    )
    assert unknown == []
    return batch, statuses.tolist()


@settings(max_examples=250, deadline=None)
@given(sources_with_rows())
def test_arrow_avro_and_reference_agree(case: tuple[Source, list[Any]]) -> None:
    declared, given_rows = case
    wanted = expected(declared, given_rows)
    reader = row_reader("s", declared.fields)
    array = pa.array(given_rows, arrow_struct(declared))
    assert columns(reader.read_arrow(array)) == wanted
    padded = pa.array([None, None, *given_rows, None], arrow_struct(declared))
    assert columns(reader.read_arrow(padded[2 : 2 + len(given_rows)])) == wanted
    batch, statuses = avro(declared, given_rows)
    assert columns(batch) == wanted
    assert statuses == [1 if row is None else 0 for row in given_rows]


@settings(max_examples=150, deadline=None)
@given(sources_with_rows())
def test_a_sequence_as_a_struct_of_lists_reads_the_same(case: tuple[Source, list[Any]]) -> None:
    declared, given_rows = case
    sequences = [field.name for field in declared.fields if isinstance(field, Sequence)]
    for row in given_rows:
        for name in sequences if row is not None else ():
            row[name] = None if row[name] is None else [e for e in row[name] if e is not None]
    wanted = expected(declared, given_rows)
    turned = [struct_of_lists(row, declared) for row in given_rows]
    assert expected(declared, turned) == wanted
    array = pa.array(turned, arrow_struct(declared, lists=True))
    assert columns(row_reader("s", declared.fields).read_arrow(array)) == wanted
    batch, _ = avro(declared, turned)
    assert columns(batch) == wanted


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_source_keyed_by_a_list(data: st.DataObject) -> None:
    declared, _ = data.draw(sources_with_rows())
    declared = source(*declared.fields, per_element=True)
    given_rows = data.draw(st.lists(st.one_of(st.none(), st.lists(rows(declared), max_size=3)), max_size=4))
    wanted = expected(declared, given_rows)
    reader = row_reader("s", declared.fields)
    array = pa.array(given_rows, pa.list_(arrow_struct(declared)))
    assert columns(reader.read_arrow_lists(array)) == wanted
    large = pa.array([None, *given_rows], pa.large_list(arrow_struct(declared)))[1:]
    assert columns(reader.read_arrow_lists(large)) == wanted
    encoder = RowEncoder(declared)
    reader.add_schema(encoder.fingerprint, decode_plan(encoder.schema, declared.fields))
    flat = [row for group in given_rows for row in group or ()]
    stored = [None if row is None else encoder.encode(row) for row in flat]
    batch, statuses, *_ = reader.read_avro_lists(stored, [len(group or ()) for group in given_rows])
    assert columns(batch) == wanted
    assert len(statuses) == len(flat)


# --- the rules, one by one ---


def read(field: Field | Sequence, values: list[Any], type: pa.DataType) -> dict[str, list[Any]]:
    array = pa.array([{field.name: value} for value in values], pa.struct([(field.name, type)]))
    batch = row_reader("s", (field,)).read_arrow(array)
    return {name: batch.values(name) for name in batch.names}


def test_what_is_missing_reads_as_the_default() -> None:
    fields = (
        Field("n", INT32, 7),
        Field("x", FLOAT64.optional()),
        Field("v", vector_of(FLOAT32, 2), 0.5),
        Field("l", list_of(STRING)),
        Field("m", map_of(STRING, INT64)),
        Sequence("q", (Field("i", STRING),)),
    )
    reader = row_reader("s", fields)
    wanted = {"s.n": [7], "s.x": [None], "s.v": [[0.5, 0.5]], "s.l": [[]], "s.m": [{}], "s.q.i": [[]]}
    for array in (
        pa.array([{"other": 1}], pa.struct([("other", pa.int64())])),
        pa.array([None], pa.struct([("n", pa.int64())])),
        pa.nulls(1),
        pa.array([dict.fromkeys("nxvlmq")], pa.struct([(name, pa.null()) for name in "nxvlmq"])),
    ):
        batch = reader.read_arrow(array)
        assert {name: batch.values(name) for name in batch.names} == wanted


def test_nan_and_what_rounds_to_infinity_are_null() -> None:
    given_values = [math.nan, math.inf, -math.inf, 1e300, 3.4028235677973366e38, 0.1, 1e-46, None]
    field = Field("x", FLOAT32, 2.0)
    assert read(field, given_values, pa.float64()) == {
        "s.x": [2.0, 2.0, 2.0, 2.0, 2.0, 0.10000000149011612, 0.0, 2.0]
    }
    assert read(Field("x", list_of(FLOAT32), cap=1), [given_values], pa.list_(pa.float64())) == {
        "s.x": [[0.10000000149011612]]
    }


def test_a_null_in_a_vector_makes_it_null() -> None:
    type = pa.list_(pa.float64(), 2)
    assert read(Field("v", vector_of(FLOAT64, 2).optional()), [[1.0, None], [1.0, 2.0], None], type) == {
        "s.v": [None, [1.0, 2.0], None]
    }
    assert read(Field("v", vector_of(FLOAT64, 2), 3), [[math.nan, 1.0]], type) == {"s.v": [[3.0, 3.0]]}


def test_invalid_text_is_null_and_counted() -> None:
    reader = row_reader("s", (Field("t", STRING, "?"),))
    array = pa.array([{"t": b"\xff"}, {"t": b"ok"}, {"t": b"\xc0\x80"}], pa.struct([("t", pa.binary())]))
    assert reader.read_arrow(array).values("s.t") == ["?", "ok", "?"]
    assert reader.invalid_text_total == 2
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xffa"))
    assert reader.read_arrow(pa.StructArray.from_arrays([broken], ["t"])).values("s.t") == ["?", "a"]


@pytest.mark.parametrize(
    "type",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.uint32(), pa.large_string()),
    ],
)
def test_layouts_of_text(type: pa.DataType) -> None:
    texts = ["a", None, "", "a text of more than twelve bytes", "ÿ日本"]
    given_texts = [t.encode() if t is not None and pa.types.is_large_binary(type) else t for t in texts]
    if pa.types.is_dictionary(type):
        array = pa.array(texts, type.value_type).dictionary_encode().cast(type)
    else:
        array = pa.array(given_texts, type)
    reader = row_reader("s", (Field("t", STRING.optional()),))
    struct = pa.StructArray.from_arrays([pa.concat_arrays([array, array])], ["t"])
    assert reader.read_arrow(struct).values("s.t") == texts * 2
    assert reader.read_arrow(struct[3:7]).values("s.t") == (texts * 2)[3:7]


@pytest.mark.parametrize(
    "type",
    [
        pa.list_(pa.int16()),
        pa.large_list(pa.uint32()),
        pa.list_view(pa.int64()),
        pa.large_list_view(pa.int8()),
        pa.list_(pa.dictionary(pa.int8(), pa.int64())),
    ],
)
def test_layouts_of_lists(type: pa.DataType) -> None:
    lists = [[1, None, 2], None, [], [3]]
    array = pa.array(lists, pa.list_(pa.int64()))
    if not pa.types.is_dictionary(type.value_type):
        array = pa.array(lists, type)
    else:
        array = pa.ListArray.from_arrays(array.offsets, array.values.dictionary_encode())
    reader = row_reader("s", (Field("l", list_of(INT64)),))
    struct = pa.StructArray.from_arrays([array], ["l"])
    wanted = [[1, 2], [] if array.null_count else [3], [], [3]]
    if array.null_count:
        assert reader.read_arrow(struct).values("s.l") == wanted
    assert reader.read_arrow(struct[2:]).values("s.l") == [[], [3]]


@pytest.mark.parametrize(
    ("type", "values", "wanted"),
    [
        (pa.timestamp("s"), [1, -1], [1_000_000, -1_000_000]),
        (pa.timestamp("ms", "Asia/Shanghai"), [1, -1], [1_000, -1_000]),
        (pa.timestamp("us", "UTC"), [1, -1], [1, -1]),
        (pa.timestamp("ns"), [1_999, -1, -1_001], [1, -1, -2]),
        (pa.date32(), [1, -1], [86_400_000_000, -86_400_000_000]),
        (pa.date64(), [86_400_000], [86_400_000_000]),
        (pa.int64(), [5], [5]),
        (pa.int32(), [5], [5]),
    ],
)
def test_times(type: pa.DataType, values: list[int], wanted: list[int]) -> None:
    width = pa.int32() if pa.types.is_date32(type) or pa.types.is_int32(type) else pa.int64()
    array = pa.array(values, width).view(type)
    batch = row_reader("s", (Field("t", TIMESTAMP.optional()),)).read_arrow(
        pa.StructArray.from_arrays([array], ["t"])
    )
    assert pa.record_batch(batch).column(0).cast(pa.int64()).to_pylist() == wanted


def test_maps() -> None:
    entries = [("a", 1), ("b", None), ("a", 3), ("c", 4), ("a", None)]
    field = Field("m", map_of(STRING, INT64))
    assert [list(read(field, [entries], pa.map_(pa.string(), pa.int64()))["s.m"][0].items())] == [
        [("a", 3), ("c", 4)]
    ]
    assert read(Field("m", map_of(STRING, INT64), cap=1), [entries], pa.map_(pa.string(), pa.int64())) == {
        "s.m": [{"a": 3}]
    }


def test_a_sequence_drops_positions_and_then_caps() -> None:
    sequence = Sequence(
        "q", (Field("i", STRING), Field("x", FLOAT64.optional()), Field("n", INT32, 9)), cap=2
    )
    type = pa.struct(
        [("i", pa.list_(pa.string())), ("x", pa.list_(pa.float64())), ("n", pa.list_(pa.int64()))]
    )
    rows_given = [
        {"i": [None, "b", "c", "d"], "x": [1.0, None, math.nan, 4.0], "n": [1, None, 3, 4]},
        {"i": ["a"], "x": None, "n": [1]},
        {"i": None, "x": [1.0], "n": [1]},
        None,
    ]
    assert read(sequence, rows_given, type) == {
        "s.q.i": [["b", "c"], ["a"], [], []],
        "s.q.x": [[None, None], [None], [], []],
        "s.q.n": [[9, 3], [1], [], []],
    }


@pytest.mark.parametrize(
    ("field", "type", "value", "message"),
    [
        (Field("n", INT32, 0), pa.int64(), 2**31, "row 1: `s.n` does not fit int32: 2147483648"),
        (Field("n", INT64, 0), pa.uint64(), 2**63, "row 1: `s.n` does not fit int64: 9223372036854775808"),
        (Field("n", INT32, 0), pa.float64(), 1.0, "`s.n` is declared int32, the column holds float64"),
        (Field("n", INT64, 0), pa.bool_(), True, "`s.n` is declared int64, the column holds bool"),
        (Field("n", STRING, ""), pa.int64(), 1, "`s.n` is declared string, the column holds int64"),
        (
            Field("n", INT64, 0),
            pa.timestamp("us"),
            1,
            "`s.n` is declared int64, the column holds a timestamp",
        ),
        (
            Field("n", FLOAT64, 0),
            pa.decimal128(5),
            1,
            "`s.n` is declared float64, the column holds a decimal",
        ),
        (Field("n", list_of(INT64)), pa.int64(), 1, "`s.n` is declared list<int64>, the column holds int64"),
        (
            Field("n", TIMESTAMP, 0),
            pa.timestamp("s"),
            2**62,
            "row 1: `s.n` does not fit 64 bits of microseconds",
        ),
        (
            Field("n", vector_of(INT64, 2), 0),
            pa.list_(pa.int64()),
            [1],
            "row 1: `s.n` has 1 elements instead of 2",
        ),
        (Field("n", INT64), pa.int64(), None, "row 0: `s.n` is missing, and has no default"),
        (
            Sequence("n", (Field("a", INT64), Field("b", INT64))),
            pa.struct([("a", pa.list_(pa.int64())), ("b", pa.list_(pa.int64()))]),
            {"a": [1, 2], "b": [1]},
            "row 1: `s.n` has lists of different lengths: 2 and 1",
        ),
        (
            Sequence("n", (Field("a", INT32),)),
            pa.list_(pa.struct([("a", pa.int64())])),
            [{"a": 2**40}],
            "row 1: `s.n.a` does not fit int32: 1099511627776",
        ),
    ],
)
def test_errors_name_row_and_field(field: Any, type: pa.DataType, value: Any, message: str) -> None:
    array = pa.array([{"n": None}, {"n": value}], pa.struct([("n", type)]))
    with pytest.raises(EngineError) as error:
        row_reader("s", (field,)).read_arrow(array)
    assert str(error.value) == message


def test_errors_in_lists_of_structs_name_the_element() -> None:
    array = pa.array([[], None, [{"n": 1}, {"n": 2**40}]], pa.list_(pa.struct([("n", pa.int64())])))
    with pytest.raises(EngineError, match=r"^row 2, element 1: `s.n` does not fit int32: "):
        row_reader("s", (Field("n", INT32, 0),)).read_arrow_lists(array)


@pytest.mark.parametrize("broken", [[0, 3, 2], [0, 2, 99], [0, -1, 2], [3, 2, 2]])
@pytest.mark.parametrize("kind", ["list", "text", "view"])
def test_offsets_that_lie_are_errors(broken: list[int], kind: str) -> None:
    offsets = np.array([0, 1, 2], np.int32)
    elements = [pa.array([1, 2, 3], pa.int8())]
    if kind == "text":
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"abc")]
        array = pa.Array.from_buffers(pa.string(), 2, buffers)
    elif kind == "list":
        array = pa.Array.from_buffers(
            pa.list_(pa.int8()), 2, [None, pa.py_buffer(offsets)], children=elements
        )
    else:
        sizes = pa.py_buffer(np.array([2, 2], np.int32))
        buffers = [None, pa.py_buffer(offsets), sizes]
        array = pa.Array.from_buffers(pa.list_view(pa.int8()), 2, buffers, children=elements)
        broken = [broken[2], broken[1], 0]
    field = Field("f", STRING, "") if kind == "text" else Field("f", list_of(INT64))
    reader = row_reader("s", (field,))
    struct = pa.StructArray.from_arrays([array], ["f"])
    reader.read_arrow(struct)
    offsets[:] = broken
    with pytest.raises(EngineError, match=r"broken|a list lies outside"):
        reader.read_arrow(struct)


def test_an_index_outside_of_its_dictionary_is_an_error() -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0, 7], pa.int8()), pa.array(["a"]), safe=False)
    with pytest.raises(EngineError, match="outside of its dictionary"):
        row_reader("s", (Field("f", STRING, ""),)).read_arrow(pa.StructArray.from_arrays([array], ["f"]))


def test_what_is_no_array_of_structs_is_an_error() -> None:
    reader = row_reader("s", (Field("f", STRING, ""),))
    with pytest.raises(EngineError, match="not structs"):
        reader.read_arrow(pa.array([1]))
    with pytest.raises(EngineError, match="not lists of structs"):
        reader.read_arrow_lists(pa.array([{"f": "x"}]))
    with pytest.raises(EngineError, match="no Arrow array"):
        reader.read_arrow([{"f": "x"}])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("a", "int32", 2**31, None, "")], "the default of `s.a` is not int32"),
        ([("a", "float32", 1e300, None, "")], "the default of `s.a` is not float32"),
        ([("a", "string", 1, None, "")], "the default of `s.a` is not string"),
        ([("a", "int32", 1, None, ""), ("a", "int64", 1, None, "")], "named twice"),
        ([("a", "nothing?", None, None, "")], "a type that no row holds"),
        ([("a", "list<string>", None, -1, "")], "a cap is negative"),
        ([("a", "wat", None, None, "")], "wat"),
    ],
)
def test_a_reader_refuses_what_it_cannot_read(fields: list[Any], message: str) -> None:
    from engine._engine import RowReader

    with pytest.raises(EngineError, match=message):
        RowReader("s", fields)


# --- Avro bytes ---


def test_statuses() -> None:
    declared = source(Field("n", INT32, 7))
    encoder = RowEncoder(declared)
    reader = row_reader("s", declared.fields)
    row = encoder.encode({"n": 1})
    _, statuses, unknown, *_ = reader.read_avro([row, row])
    assert statuses.tolist() == [3, 3]
    assert unknown == [encoder.fingerprint]
    reader.add_schema(encoder.fingerprint, decode_plan(encoder.schema, declared.fields))
    batch, statuses, unknown, *_ = reader.read_avro(
        [row, None, b"", row[:-1], row + b"\0", row[:5], b"\xc3\x01" + b"x" * 8, row]
    )
    assert statuses.tolist() == [0, 1, 2, 2, 2, 2, 3, 0]
    assert batch.values("s.n") == [1, 7, 7, 7, 7, 7, 7, 1]
    assert unknown == [b"x" * 8]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_bytes_are_safe(data: st.DataObject) -> None:
    """Truncations, changed bytes, and random bytes give a status, and the rows around them stay right."""
    declared, given_rows = data.draw(sources_with_rows())
    encoder = RowEncoder(declared)
    reader = row_reader("s", declared.fields)
    reader.add_schema(encoder.fingerprint, decode_plan(encoder.schema, declared.fields))
    stored, good = [], []
    for row in given_rows:
        if row is None:
            continue
        encoded = encoder.encode(row)
        cut = data.draw(st.integers(0, len(encoded)))
        flipped = bytearray(encoded)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(10, len(encoded) - 1))
            flipped[at] ^= data.draw(st.integers(1, 255))
        random = encoded[:10] + data.draw(st.binary(max_size=20))
        stored += [encoded[:cut], bytes(flipped), random, encoded]
        good.append(row)
    batch, statuses, *_ = reader.read_avro(stored)
    assert set(statuses.tolist()) <= {0, 2}
    assert statuses.tolist()[3::4] == [0] * len(good)
    wanted = expected(declared, good)
    assert {name: found[3::4] for name, found in columns(batch).items()} == wanted
    missing = expected(declared, [None])
    for i, status in enumerate(statuses.tolist()):
        if status == 2:
            assert {name: [found[i]] for name, found in columns(batch).items()} == missing


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * 11,  # a block count of more than 64 bits
        b"\x80" * 9 + b"\x02",  # bits past the 64th
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # the largest count
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # the smallest: it has no opposite
        b"\x03\xff\xff\xff\xff\x0f\x02a",  # a negative size of a block
        b"\x03\x02\x02a\x02b\x00",  # a block larger than it says
        b"\x02\x09",  # text of negative length
        b"\x02\xfe\xff\xff\xff\x0f",  # text longer than the row
    ],
)
def test_blocks_and_lengths_that_lie(body: bytes) -> None:
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "l", "type": {"type": "array", "items": "string"}}],
    }
    fields = (Field("l", list_of(STRING)),)
    for wanted in (fields, (Field("other", INT64, 3),)):
        reader = row_reader("s", wanted)
        reader.add_schema(fingerprint(schema), decode_plan(json.dumps(schema), wanted))
        batch, statuses, *_ = reader.read_avro([b"\xc3\x01" + fingerprint(schema) + body])
        assert statuses.tolist() == [2]
        assert batch.values(batch.names[0]) in ([[]], [3])


def test_blocks_with_sizes_decode() -> None:
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "l", "type": {"type": "array", "items": "string"}}],
    }
    row = b"\xc3\x01" + fingerprint(schema) + b"\x03\x08\x02a\x02b\x02\x02c\x00"
    for field, wanted in ((Field("l", list_of(STRING), cap=2), ["a", "b"]), (Field("z", INT64, 3), 3)):
        reader = row_reader("s", (field,))
        reader.add_schema(fingerprint(schema), decode_plan(json.dumps(schema), (field,)))
        batch, statuses, *_ = reader.read_avro([row])
        assert statuses.tolist() == [0]
        assert batch.values(batch.names[0]) == [wanted]


def test_items_that_take_no_bytes_are_bounded() -> None:
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "l", "type": {"type": "array", "items": "null"}}],
    }
    reader = row_reader("s", (Field("z", INT64, 3),))
    reader.add_schema(fingerprint(schema), decode_plan(json.dumps(schema), (Field("z", INT64, 3),)))
    head = b"\xc3\x01" + fingerprint(schema)
    _, statuses, *_ = reader.read_avro([head + b"\x06\x00", head + b"\xfe\xff\xff\xff\xff\xff\xff\x01\x00"])
    assert statuses.tolist() == [0, 2]


def test_a_schema_that_recurses_is_skipped_and_bounded() -> None:
    tree = {"type": "record", "name": "t", "fields": [{"name": "next", "type": ["null", "t"]}]}
    fields = [{"name": "tree", "type": tree}, {"name": "n", "type": "long"}]
    schema = {"type": "record", "name": "r", "fields": fields}
    reader = row_reader("s", (Field("n", INT64, 3),))
    reader.add_schema(fingerprint(schema), decode_plan(json.dumps(schema), (Field("n", INT64, 3),)))
    head = b"\xc3\x01" + fingerprint(schema)
    batch, statuses, *_ = reader.read_avro(
        [head + b"\x02" * 20 + b"\x00\x0a", head + b"\x02" * 100_000 + b"\x00\x0a"]
    )
    assert statuses.tolist() == [0, 2]
    assert batch.values("s.n") == [5, 3]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.data())
def test_a_plan_of_any_bytes_is_safe(noise: bytes, data: st.DataObject) -> None:
    declared = source(
        Field("n", INT32, 7), Sequence("q", (Field("i", STRING), Field("m", map_of(STRING, INT64))))
    )
    plan = bytearray(decode_plan(RowEncoder(declared).schema, declared.fields))
    at = data.draw(st.integers(8, len(plan) - 1))
    plan[at : at + len(noise) % 8] = noise
    reader = row_reader("s", declared.fields)
    try:
        reader.add_schema(b"12345678", bytes(plan))
    except EngineError:
        return
    _, statuses, *_ = reader.read_avro([b"\xc3\x0112345678" + data.draw(st.binary(max_size=40))])
    assert statuses[0] in (0, 2)


def test_lengths_must_add_up() -> None:
    reader = row_reader("s", (Field("n", INT32, 7),))
    assert reader.read_avro_lists([None, None], [0, 2])[0].values("s.n") == [[], [7, 7]]
    for lengths in ([1], [3], [-1, 3], [2**62, 2**62]):
        with pytest.raises(EngineError, match="do not add up"):
            reader.read_avro_lists([None, None], lengths)
