"""Schemas, encoding and decode plans, against fastavro as another writer and reader."""

from __future__ import annotations

import datetime
import io
import json
import math
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine._engine import Batch
from featdsl.errors import InputError
from featdsl.levels import Level
from featdsl.program import Field, Sequence, Source
from featdsl.types import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    STRING,
    TIMESTAMP,
    list_of,
    map_of,
    vector_of,
)
from store.avro_schema import MARKER, canonical_form, fingerprint, source_schema
from store.decode_plan import decode_plan
from store.encode import RowEncoder
from store.interface import open_store
from store.read import OK, UNDECODABLE, UNKNOWN_SCHEMA, SourceReader, row_reader, wanted_fields
from tests.engine.row_cases import sources_with_rows


def source(*fields: Field | Sequence, name: str = "s") -> Source:
    return Source(name, "user", INT64, Level.REQUEST, fields, name)


def record(*fields: tuple[str, Any], name: str = "r") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields]}


def written(schema: Any, *rows: Any) -> list[bytes]:
    """The rows in single-object encoding, their bodies by fastavro."""
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
    encoded = []
    for row in rows:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, parsed, row)
        encoded.append(MARKER + fingerprint(schema) + body.getvalue())
    return encoded


def read(schema: Any, fields: tuple[Field | Sequence, ...], *rows: Any) -> tuple[Batch, list[int]]:
    reader = row_reader("s", fields)
    reader.add_schema(fingerprint(schema), decode_plan(json.dumps(schema), fields))
    batch, statuses, unknown, *_ = reader.read_avro(written(schema, *rows))
    assert unknown == []
    return batch, statuses.tolist()


def values(schema: Any, field: Field | Sequence, *rows: Any) -> list[Any]:
    batch, statuses = read(schema, (field,), *rows)
    assert set(statuses) == {0}
    return batch.values(batch.names[0])


# --- schemas ---


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3) -> Any:
    """Avro schemas of every kind, with a name of its own for each named type."""
    primitives = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
    times = ["timestamp-millis", "timestamp-micros"]
    kinds = ["primitive", "time", "enum", "fixed"]
    kind = draw(st.sampled_from(kinds + (["array", "map", "record", "union"] if depth else [])))
    name = f"n{draw(st.uuids()).hex}"
    if kind == "primitive":
        return draw(st.sampled_from(primitives))
    if kind == "time":
        return {"type": "long", "logicalType": draw(st.sampled_from(times))}
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B", "C"][: draw(st.integers(1, 3))]}
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": draw(st.integers(0, 5))}
    if kind == "array":
        return {"type": "array", "items": draw(schemas(depth - 1))}
    if kind == "map":
        return {"type": "map", "values": draw(schemas(depth - 1))}
    if kind == "union":
        return ["null", draw(schemas(depth - 1).filter(lambda s: s != "null" and not isinstance(s, list)))]
    members = draw(st.lists(schemas(depth - 1), min_size=1, max_size=3))
    return record(*[(f"f{i}", member) for i, member in enumerate(members)], name=name)


def data_of(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of(*[data_of(branch) for branch in schema])
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "record":
        return st.fixed_dictionaries({f["name"]: data_of(f["type"]) for f in schema["fields"]})
    if kind == "array":
        return st.lists(data_of(schema["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(st.text(max_size=3), data_of(schema["values"]), max_size=3)
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "fixed":
        return st.binary(min_size=schema["size"], max_size=schema["size"])
    if kind == "long" and isinstance(schema, dict):
        return st.integers(0, 2**40)
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(width=32),
        "double": st.floats(),
        "bytes": st.binary(max_size=5),
        "string": st.text(max_size=5),
    }[kind]


@settings(max_examples=150, deadline=None)
@given(schemas())
def test_canonical_form_and_fingerprint_are_fastavros(schema: Any) -> None:
    form = fastavro.schema.to_parsing_canonical_form(json.loads(json.dumps(schema)))
    assert canonical_form(schema) == form
    assert fingerprint(schema).hex() == fastavro.schema.fingerprint(form, "CRC-64-AVRO")


def test_fingerprints_of_the_specification() -> None:
    assert fingerprint("int") == (0x7275D51A3F395C8F).to_bytes(8, "little")
    named = {"type": "fixed", "name": "x", "namespace": "a.b", "size": 4, "doc": "gone"}
    assert canonical_form(named) == '{"name":"a.b.x","type":"fixed","size":4}'


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_is_not_wanted_is_skipped(data: st.DataObject) -> None:
    before, after = data.draw(schemas()), data.draw(schemas())
    schema = record(("before", before), ("n", "long"), ("after", after), ("last", "string"))
    rows = data.draw(st.lists(data_of(schema), min_size=1, max_size=3))
    batch, statuses = read(schema, (Field("n", INT64, 0), Field("last", STRING, "")), *rows)
    assert statuses == [0] * len(rows)
    assert batch.values("s.n") == [row["n"] for row in rows]
    assert batch.values("s.last") == [row["last"] for row in rows]


# --- encoding ---


@settings(max_examples=100, deadline=None)
@given(sources_with_rows())
def test_another_reader_reads_what_is_encoded(case: tuple[Source, list[Any]]) -> None:
    declared, rows = case
    encoder = RowEncoder(declared)
    schema = fastavro.parse_schema(json.loads(encoder.schema))
    for row in rows:
        if row is None:
            continue
        encoded = encoder.encode(row)
        assert encoded[:10] == MARKER + encoder.fingerprint
        body = io.BytesIO(encoded[10:])
        # Times are read as plain numbers: the random ones are beyond datetime.
        plain = json.loads(json.dumps(schema).replace('"logicalType": "timestamp-micros"', '"doc": ""'))
        found: Any = fastavro.schemaless_reader(body, plain)
        assert body.read() == b""
        assert list(found) == [field.name for field in declared.fields]


def test_encoding_by_hand() -> None:
    declared = source(Field("n", INT32, 0), Field("l", list_of(STRING)), Field("at", TIMESTAMP.optional()))
    encoder = RowEncoder(declared)
    at = datetime.datetime(1970, 1, 1, 0, 0, 1)
    assert encoder.encode({"n": -2, "l": ["a", None, "é"], "at": at})[10:] == (
        b"\x02\x03" + b"\x02\x04\x02a\x04\xc3\xa9\x00" + b"\x02\x80\x89\x7a"
    )
    assert encoder.encode({})[10:] == b"\0\0\0"
    assert encoder.encode({"at": datetime.date(1970, 1, 1), "l": []})[10:] == b"\0\x02\0\x02\0"
    assert json.loads(encoder.schema) == source_schema(declared)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (Field("n", INT32, 0), 2**31, "`s.n` does not fit int32: 2147483648"),
        (Field("n", INT32, 0), True, "`s.n` is not int32: True"),
        (Field("n", INT64, 0), 1.0, "`s.n` is not int64: 1.0"),
        (Field("n", BOOL, False), 1, "`s.n` is not bool: 1"),
        (Field("n", STRING, ""), 1, "`s.n` is not string: 1"),
        (Field("n", FLOAT64, 0), "1", "`s.n` is not float64: '1'"),
        (Field("n", list_of(INT64)), "1", "`s.n` is not a list: '1'"),
        (Field("n", vector_of(INT64, 2), 0), [1], "`s.n` has 1 elements instead of 2"),
        (
            Sequence("n", (Field("a", INT32), Field("b", INT32))),
            {"a": [1], "b": [1, 2]},
            "`s.n` has lists of different lengths: 1, 2",
        ),
        (Sequence("n", (Field("a", INT32),)), [{"a": "x"}], "`s.n` has a `a` that is not int32: 'x'"),
        (Sequence("n", (Field("a", INT32),)), [1], "`s.n` is not a list of structs"),
    ],
)
def test_what_cannot_be_encoded(field: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        RowEncoder(source(field)).encode({"n": value})
    assert error.value.message == message


# --- what other writers write ---


def test_numbers_widen() -> None:
    whole = record(("x", "int"))
    assert values(whole, Field("x", INT64, 0), {"x": -5}) == [-5]
    assert values(whole, Field("x", FLOAT64, 0), {"x": -5}) == [-5.0]
    assert values(record(("x", "long")), Field("x", FLOAT32, 0), {"x": 16777217}) == [16777216.0]
    assert values(record(("x", "float")), Field("x", FLOAT64, 0), {"x": 0.5}) == [0.5]
    assert values(record(("x", "double")), Field("x", FLOAT32, 0), {"x": 0.1}) == [0.10000000149011612]
    assert values(record(("x", "double")), Field("x", FLOAT32, 9), {"x": math.inf}) == [9.0]


def test_a_number_that_does_not_fit_makes_the_row_bad() -> None:
    batch, statuses = read(record(("x", "long")), (Field("x", INT32, 7),), {"x": 1}, {"x": 2**31}, {"x": 2})
    assert statuses == [OK, UNDECODABLE, OK]
    assert batch.values("s.x") == [1, 7, 2]


@pytest.mark.parametrize(
    ("logical", "base", "value", "microseconds"),
    [
        ("timestamp-millis", "long", -1, -1_000),
        ("timestamp-micros", "long", -1, -1),
        ("timestamp-nanos", "long", -1, -1),
        ("timestamp-nanos", "long", 1_999, 1),
        ("local-timestamp-millis", "long", 5, 5_000),
        ("date", "int", -1, -86_400_000_000),
        ("", "long", 5, 5),
        ("", "int", 5, 5),
    ],
)
def test_times(logical: str, base: str, value: int, microseconds: int) -> None:
    schema = record(("t", {"type": base, "logicalType": logical} if logical else base))
    fields = (Field("t", TIMESTAMP, 0),)
    reader = row_reader("s", fields)
    reader.add_schema(fingerprint(schema), decode_plan(json.dumps(schema), fields))
    batch, statuses, *_ = reader.read_avro(written(record(("t", base)), {"t": value}))
    assert statuses.tolist() == [0]
    assert times(batch) == [microseconds]


def times(batch: Batch) -> list[int]:
    import pyarrow as pa

    found: list[int] = pa.record_batch(batch).column(0).cast(pa.int64()).to_pylist()
    return found


def test_a_time_beyond_64_bits_makes_the_row_bad() -> None:
    schema = record(("t", {"type": "long", "logicalType": "timestamp-millis"}))
    fields = (Field("t", TIMESTAMP, 3),)
    reader = row_reader("s", fields)
    reader.add_schema(fingerprint(schema), decode_plan(json.dumps(schema), fields))
    _, statuses, *_ = reader.read_avro(written(record(("t", "long")), {"t": 2**62}))
    assert statuses.tolist() == [UNDECODABLE]


def test_text_from_enums_and_bytes() -> None:
    enum = {"type": "enum", "name": "e", "symbols": ["RED", "BLUE"]}
    assert values(record(("x", enum)), Field("x", STRING, ""), {"x": "BLUE"}) == ["BLUE"]
    assert values(record(("x", "bytes")), Field("x", STRING, "?"), {"x": b"a"}, {"x": b"\xff"}) == ["a", "?"]


def test_unions() -> None:
    several = record(("x", ["string", "null", "int", "double"]))
    batch, statuses = read(
        several, (Field("x", FLOAT64, 7),), {"x": 1}, {"x": None}, {"x": 2.5}, {"x": "text"}
    )
    assert statuses == [OK, OK, OK, UNDECODABLE]
    assert batch.values("s.x") == [1.0, 7.0, 2.5, 7.0]


def test_nested_layouts() -> None:
    maybe = ["null", "string"]
    lists = record(("x", ["null", {"type": "array", "items": maybe}]))
    given_lists: tuple[Any, ...] = ({"x": ["a", None, "b", "c"]}, {"x": None}, {"x": []})
    assert values(lists, Field("x", list_of(STRING), cap=2), *given_lists) == [["a", "b"], [], []]
    maps = record(("x", {"type": "map", "values": ["null", "long"]}))
    assert values(maps, Field("x", map_of(STRING, INT64)), {"x": {"a": 1, "b": None}}) == [{"a": 1}]
    vectors = record(("x", {"type": "array", "items": "double"}))
    batch, statuses = read(
        vectors, (Field("x", vector_of(FLOAT32, 2), 0.5),), {"x": [1.0, 2.0]}, {"x": [1.0]}
    )
    assert statuses == [OK, UNDECODABLE]
    assert batch.values("s.x") == [[1.0, 2.0], [0.5, 0.5]]


def test_a_sequence_in_both_layouts() -> None:
    sequence = Sequence("q", (Field("i", STRING), Field("n", INT64, 9)), cap=2)
    element = record(("i", ["null", "string"]), ("other", "double"), ("n", ["null", "int"]), name="e")
    as_structs = record(("q", {"type": "array", "items": ["null", element]}))
    elements = [("a", 1), (None, 2), ("c", None), ("d", 4)]
    rows = [{"i": i, "other": 0.0, "n": n} for i, n in elements]
    batch, statuses = read(as_structs, (sequence,), {"q": [None, *rows]}, {"q": []})
    assert statuses == [OK, OK]
    assert [batch.values(name) for name in batch.names] == [[["a", "c"], []], [[1, 9], []]]

    lists = record(
        ("i", {"type": "array", "items": ["null", "string"]}),
        ("n", ["null", {"type": "array", "items": ["null", "int"]}]),
        name="l",
    )
    as_lists = record(("q", ["null", lists]))
    batch, statuses = read(
        as_lists,
        (sequence,),
        {"q": {"i": [e[0] for e in elements], "n": [e[1] for e in elements]}},
        {"q": None},
        {"q": {"i": ["a"], "n": None}},
        {"q": {"i": ["a"], "n": [1, 2]}},
    )
    assert statuses == [OK, OK, OK, UNDECODABLE]
    assert [batch.values(name) for name in batch.names] == [
        [["a", "c"], [], ["a"], []],
        [[1, 9], [], [9], []],
    ]


def test_fields_evolve_by_name() -> None:
    schema = record(("new_name", "string"), ("gone", "long"))
    schema["fields"][0]["aliases"] = ["title"]
    fields = (Field("title", STRING, "?"), Field("later", INT32, 5), Sequence("q", (Field("i", STRING),)))
    batch, statuses = read(schema, fields, {"new_name": "x", "gone": 1})
    assert statuses == [OK]
    assert [batch.values(name) for name in batch.names] == [["x"], [5], [[]]]


def test_named_types_and_namespaces() -> None:
    point = {"type": "record", "name": "point", "namespace": "geo", "fields": [{"name": "x", "type": "long"}]}
    kind = {"type": "enum", "name": "kind", "symbols": ["A", "B"]}
    schema = {
        "type": "record", "name": "r", "namespace": "geo",
        "fields": [
            {"name": "a", "type": point}, {"name": "b", "type": "point"}, {"name": "c", "type": ["null", "geo.point"]},
            {"name": "k", "type": kind}, {"name": "j", "type": "kind"}, {"name": "n", "type": "long"},
        ],
    }  # fmt: skip
    row = {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}, "k": "B", "j": "A", "n": 9}
    batch, statuses = read(
        schema, (Field("n", INT64, 0), Field("k", STRING, ""), Field("j", STRING, "")), row
    )
    assert statuses == [OK]
    assert [batch.values(name) for name in batch.names] == [[9], ["B"], ["A"]]


@pytest.mark.parametrize(
    ("type", "field", "message"),
    [
        ("string", Field("x", INT64, 0), "the store holds string for `x`, which is declared int64"),
        ("double", Field("x", INT64, 0), "the store holds double for `x`, which is declared int64"),
        ("boolean", Field("x", INT64, 0), "the store holds boolean for `x`, which is declared int64"),
        ("int", Field("x", BOOL, False), "the store holds int for `x`, which is declared bool"),
        ("int", Field("x", list_of(INT64)), "the store holds int for `x`, which is declared list<int64>"),
        (["null", "string"], Field("x", INT64, 0), "the store holds string for `x`, which is declared int64"),
        ({"type": "array", "items": "string"}, Field("x", list_of(INT64)), "holds string for `x`"),
        ({"type": "array", "items": "string"}, Field("x", map_of(STRING, INT64)), "holds string for `x`"),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 4},
            Field("x", STRING, ""),
            "holds decimal",
        ),
        (
            "string",
            Sequence("x", (Field("i", STRING),)),
            "holds string for `x`, which is declared a sequence",
        ),
    ],
)
def test_types_that_do_not_become_what_is_declared(type: Any, field: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        decode_plan(json.dumps(record(("x", type))), (field,))
    assert message in error.value.message
    assert error.value.help


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "{",
        "[" * 100_000,
        '"string"',
        "[]",
        "7",
        '{"type": "record"}',
        '{"type": "record", "name": "r"}',
        '{"type": "record", "name": "r", "fields": [1]}',
        '{"type": "record", "name": "r", "fields": [{"name": "x"}]}',
        '{"type": "record", "name": "r", "fields": [{"name": "x", "type": "nope"}]}',
        '{"type": "record", "name": "r", "fields": [{"name": "x", "type": {"type": "array"}}]}',
        json.dumps(record(("x", {"type": "fixed", "name": "f", "size": -1}))),
        json.dumps(record(("x", {"type": ["null"]}), ("y", 3))),
    ],
)
def test_what_is_no_schema(schema: str) -> None:
    with pytest.raises(InputError, match="the writer schema"):
        decode_plan(schema, (Field("n", INT64, 0),))


# --- reading from a store ---


def test_a_source_reader_learns_schemas(tmp_path: Any) -> None:
    declared = source(
        Field("title", STRING.optional()),
        Field("n", INT32, 3),
        Sequence("q", (Field("i", STRING), Field("x", FLOAT64.optional()))),
        name="movie",
    )
    store = open_store(f"lmdb://{tmp_path}/rows", "ns", writable=True)
    encoder = RowEncoder(declared)
    row = encoder.encode({"title": "Fargo", "n": 5, "q": [{"i": None, "x": 1.0}, {"i": "a"}]})
    store.put_many("movie", [("fargo", row)])
    reader = SourceReader(declared, store, wanted=("movie.n", "movie.q.x"))
    rows = store.get_many("movie", ["fargo", "none"])
    batch, statuses, _ = reader.read(rows)
    assert statuses.tolist() == [UNKNOWN_SCHEMA, 1]
    assert batch.values("movie.n") == [3, 3]

    store.put_schema(encoder.fingerprint, encoder.schema)
    batch, statuses, _ = reader.read(rows)
    assert statuses.tolist() == [OK, 1]
    assert batch.values("movie.n") == [5, 3]
    assert batch.values("movie.q.x") == [[None], []]
    assert "movie.title" not in batch.names

    lists, *_ = reader.read_lists([rows[0], rows[1], rows[0]], [2, 0, 1])
    assert lists.values("movie.n") == [[5, 3], [], [5]]

    other = RowEncoder(source(Field("n", STRING, ""), name="movie"))
    store.put_schema(other.fingerprint, other.schema)
    batch, statuses, _ = reader.read([other.encode({"n": "five"}), row])
    assert statuses.tolist() == [UNKNOWN_SCHEMA, OK]
    assert list(reader.refused) == [other.fingerprint]
    assert "the store holds string for `n`" in reader.refused[other.fingerprint]


def test_a_sequence_is_read_whole() -> None:
    sequence = Sequence("q", (Field("i", STRING), Field("at", TIMESTAMP)))
    fields = (Field("n", INT64, 0), sequence)
    assert wanted_fields("s", fields, ["s.q.at"]) == (sequence,)
    assert wanted_fields("s", fields, ["s.n"]) == fields[:1]
    assert wanted_fields("s", fields, None) == fields
