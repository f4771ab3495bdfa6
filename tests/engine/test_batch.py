"""Batches: Arrow in and out, rows, tensors."""

from __future__ import annotations

import ctypes
import gc
import weakref
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from engine import Batch, EngineError, Program
from featdsl.types import parse_type
from tests.engine.arrow_rows import arrow_type, batch, record_batch
from tests.engine.program_file import ProgramFile

EVERY_TYPE: dict[str, tuple[str, list[Any]]] = {
    "flag": ("bool?", [True, None, False]),
    "small": ("int32", [1, -2, 2**31 - 1]),
    "large": ("int64?", [2**62, None, -1]),
    "single": ("float32?", [0.5, 1.5, None]),
    "double": ("float64", [0.1, -0.0, 1e300]),
    "text": ("string?", ["ä", "", None]),
    "id": ("id", [1, 2, 3]),
    "list": ("list<string>?", [["a", "b"], None, []]),
    "nested": ("list<list<int64>>", [[[1], []], [], [[2, 3]]]),
    "gaps": ("list<int64?>", [[1, None], [], [None]]),
    "vector": ("vector<float32, 2>?", [[1.0, 2.0], None, [3.0, 4.0]]),
    "map": ("map<string, float64>", [{"a": 1.0}, {}, {"b": 2.0, "c": 3.0}]),
    "maps": ("list<map<int64, list<string>>>", [[{1: ["x"]}], [], [{}, {2: []}]]),
}


def test_every_type_goes_in_and_comes_out() -> None:
    made = batch(EVERY_TYPE)
    assert made.num_rows == 3
    assert made.names == list(EVERY_TYPE)
    for name, (type, values) in EVERY_TYPE.items():
        assert made.type(name) == type
        assert made.values(name) == values
    out = pa.record_batch(made)
    out.validate(full=True)
    for name, (type, values) in EVERY_TYPE.items():
        rows = out.column(name).to_pylist()
        assert [dict(row) if type.startswith("map") else row for row in rows] == values or name == "maps"
        assert out.schema.field(name).nullable == type.endswith("?")
    assert out.column("maps").to_pylist() == [[[(1, ["x"])]], [], [[], [(2, [])]]]


def test_timestamps_of_any_unit() -> None:
    at = [0, 1_700_000_000, -1]
    for unit, per_second in (("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)):
        array = pa.array([t * per_second for t in at], pa.timestamp(unit, "Europe/Berlin"))
        made = Batch.from_arrow(pa.record_batch([array], names=["at"]), [("at", "timestamp")])
        assert made.values("at") == [t * 1_000_000 for t in at]
    early = pa.array([-1], pa.timestamp("ns"))
    assert Batch.from_arrow(pa.record_batch([early], names=["at"]), [("at", "timestamp")]).values("at") == [
        -1
    ]
    far = pa.array([2**62], pa.timestamp("s"))
    with pytest.raises(EngineError, match="column `at`: a timestamp past the range of microseconds"):
        Batch.from_arrow(pa.record_batch([far], names=["at"]), [("at", "timestamp")])
    assert pa.record_batch(batch({"at": ("timestamp", [5])})).schema.field("at").type == pa.timestamp(
        "us", "UTC"
    )


@pytest.mark.parametrize(
    "given", [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64()]
)
def test_integers_widen(given: pa.DataType) -> None:
    source = pa.record_batch([pa.array([1, None, 100], given)], names=["x"])
    assert Batch.from_arrow(source, [("x", "int64?")]).values("x") == [1, None, 100]
    assert Batch.from_arrow(source, [("x", "float64?")]).values("x") == [1.0, None, 100.0]
    if given in (pa.uint32(), pa.int64()):
        with pytest.raises(EngineError, match="column `x`: wanted `int32\\?`, the Arrow format is"):
            Batch.from_arrow(source, [("x", "int32?")])
    else:
        assert Batch.from_arrow(source, [("x", "int32?")]).values("x") == [1, None, 100]


@pytest.mark.parametrize(
    ("array", "type"),
    [
        (pa.array([2**63], pa.uint64()), "int64"),
        (pa.array([0.5]), "int64"),
        (pa.array([0.5]), "float32"),
        (pa.array(["1"]), "int64"),
        (pa.array([1]), "string"),
        (pa.array([1]), "bool"),
        (pa.array([[1]]), "int64"),
        (pa.array([1]), "list<int64>"),
        (pa.array([[1]]), "list<string>"),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), "vector<int64, 3>"),
        (pa.array([{"a": 1}]), "map<string, int64>"),
        (pa.array([b"x"]), "string"),
    ],
)
def test_other_types_are_refused(array: pa.Array, type: str) -> None:
    with pytest.raises(EngineError, match=r"column `x.*`: wanted"):
        Batch.from_arrow(pa.record_batch([array], names=["x"]), [("x", type)])


def test_other_spellings_of_a_type() -> None:
    names = ["large", "dictionary", "large_list", "fixed", "null", "null_list"]
    source = pa.record_batch(
        [
            pa.array(["a", None], pa.large_string()),
            pa.array(["b", None]).dictionary_encode(),
            pa.array([[1, 2], None], pa.large_list(pa.int32())),
            pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
            pa.nulls(2),
            pa.nulls(2),
        ],
        names=names,
    )
    types = ["string?", "string?", "list<int64>?", "list<int64>?", "vector<int32, 2>?", "list<string>?"]
    made = Batch.from_arrow(source, list(zip(names, types, strict=True)))
    assert [made.values(name) for name in names] == [
        ["a", None],
        ["b", None],
        [[1, 2], None],
        [[1, 2], None],
        [None, None],
        [None, None],
    ]
    vectors = Batch.from_arrow(source, [("large_list", "vector<int64, 2>?"), ("fixed", "vector<int64, 2>?")])
    assert vectors.values("large_list") == vectors.values("fixed") == [[1, 2], None]


def test_list_of_another_length_than_the_vector() -> None:
    source = record_batch({"x": ("list<int64>", [[1, 2], [3]])})
    with pytest.raises(EngineError, match="column `x`: row 1 has 1 elements, wanted `vector<int64, 2>`"):
        Batch.from_arrow(source, [("x", "vector<int64, 2>")])


def test_nulls_where_there_are_none() -> None:
    with pytest.raises(EngineError, match="column `x`: null in row 1, wanted `int64`"):
        batch({"x": ("int64", [1, None])})
    with pytest.raises(EngineError, match=r"column `x.*`: null in row 1, wanted `int64`"):
        batch({"x": ("list<int64>", [[1, None]])})


def test_null_rows_hide_what_lies_under_them() -> None:
    offsets = pa.array([0, 2, 4, 5], pa.int32())
    values = pa.array([1, 2, None, 4, 5])
    lists = pa.ListArray.from_arrays(offsets, values, mask=pa.array([False, True, False]))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, None, 4]), 2, mask=pa.array([False, True]))
    assert Batch.from_arrow(pa.record_batch([lists], names=["x"]), [("x", "list<int64>?")]).values("x") == [
        [1, 2],
        None,
        [5],
    ]
    made = Batch.from_arrow(pa.record_batch([vectors], names=["x"]), [("x", "vector<int64, 2>?")])
    assert made.values("x") == [[1, 2], None]
    pa.record_batch(made).validate(full=True)


def test_missing_and_double_columns() -> None:
    source = record_batch({"x": ("int64", [1])})
    with pytest.raises(EngineError, match="no column `y` in the record batch"):
        Batch.from_arrow(source, [("y", "int64")])
    twice = pa.record_batch([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(EngineError, match="two columns of the record batch are named `x`"):
        Batch.from_arrow(twice, [("x", "int64")])
    with pytest.raises(EngineError, match="two columns of a batch are named `x`"):
        Batch.from_arrow(source, [("x", "int64"), ("x", "int64")])
    with pytest.raises(EngineError, match="no column `y` in the batch"):
        batch({"x": ("int64", [1])}).values("y")


def test_what_is_not_arrow() -> None:
    with pytest.raises(EngineError, match="not Arrow data: a dict has no `__arrow_c_array__`"):
        Batch.from_arrow({"x": [1]}, [])
    with pytest.raises(EngineError, match="not a record batch"):
        Batch.from_arrow(pa.array([1]), [])

    class Odd:
        def __arrow_c_array__(self, requested_schema: object = None) -> object:
            return (1, 2)

    with pytest.raises(EngineError, match="gave no valid arrow_schema"):
        Batch.from_arrow(Odd(), [])


def test_select_merge_take() -> None:
    a = batch({"x": ("int64", [1, 2, 3]), "s": ("list<string>", [["a"], [], ["b", "c"]])})
    b = batch({"y": ("vector<float64, 2>", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])})
    both = a.merge(b)
    assert both.names == ["x", "s", "y"]
    picked = both.select(["y", "s"]).take(np.array([2, -1, 0, 2]))
    assert picked.names == ["y", "s"]
    assert picked.num_rows == 4
    assert picked.type("s") == "list<string>?"
    assert picked.values("s") == [["b", "c"], None, ["a"], ["b", "c"]]
    assert picked.values("y") == [[5.0, 6.0], None, [1.0, 2.0], [5.0, 6.0]]
    assert both.take(np.array([], np.int64)).num_rows == 0
    assert both.take(np.array([1])).type("s") == "list<string>"
    for rows in ([3], [-2]):
        with pytest.raises(EngineError, match="of a batch of 3"):
            both.take(np.array(rows))
    with pytest.raises(EngineError, match="batches of 3 and 1 rows do not merge"):
        a.merge(batch({"z": ("int64", [1])}))
    with pytest.raises(EngineError, match="two columns of a batch are named `x`"):
        a.merge(a)


def test_tensors_share_memory_and_keep_it() -> None:
    made = batch(
        {
            "x": ("int64", [1, 2]),
            "v": ("vector<float32, 2>", [[1.0, 2.0], [3.0, 4.0]]),
            "b": ("bool", [True, False]),
        }
    )
    x, v, b = made.tensor("x"), made.tensor("v"), made.tensor("b")
    assert x.__array_interface__["data"][0] == made.tensor("x").__array_interface__["data"][0]
    assert (x.dtype, v.dtype, b.dtype) == (np.int64, np.float32, np.bool_)
    assert not x.flags.writeable
    del made
    gc.collect()
    assert x.tolist() == [1, 2]
    assert v.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert b.tolist() == [True, False]


def test_what_is_no_tensor() -> None:
    made = batch({"s": ("string", ["a"]), "n": ("int64?", [None]), "l": ("list<int64>", [[1]])})
    for name, message in (
        ("s", "is no tensor but a `string`"),
        ("n", "has nulls"),
        ("l", "is no tensor but a `list<int64>`"),
    ):
        with pytest.raises(EngineError, match=message):
            made.tensor(name)


def test_arrow_out_keeps_the_memory() -> None:
    out = pa.record_batch(batch(EVERY_TYPE))
    gc.collect()
    assert out.column("text").to_pylist() == ["ä", "", None]
    moved = out.column("nested").slice(2)
    del out
    gc.collect()
    assert moved.to_pylist() == [[[2, 3]]]


def test_capsules_that_nobody_takes_are_freed() -> None:
    made = batch(EVERY_TYPE)
    for _ in range(3):
        made.__arrow_c_array__()


def test_source_is_released() -> None:
    source = record_batch(EVERY_TYPE)
    gone = weakref.ref(source)
    made = Batch.from_arrow(source, [("text", "string?")])
    del source
    gc.collect()
    assert gone() is None
    assert made.values("text") == ["ä", "", None]


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows: int) -> None:
    made = batch({name: (type, values[:rows]) for name, (type, values) in EVERY_TYPE.items()})
    assert made.num_rows == rows
    pa.record_batch(made).validate(full=True)
    assert made.tensor("small").shape == (rows,)
    assert made.take(np.array([-1] * 2)).values("nested") == [None, None]


def test_no_columns() -> None:
    made = Batch.from_arrow(record_batch({"x": ("int64", [1, 2])}), [])
    assert (made.num_rows, made.names) == (2, [])


# --- slices, and arrays that lie ---------------------------------------------------------------

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "string": st.text(max_size=5),
}
TYPES = [
    *VALUES,
    "list<int64>",
    "list<string>",
    "list<bool>",
    "vector<int32, 3>",
    "vector<string, 2>",
    "list<list<string>>",
    "list<vector<bool, 2>>",
    "map<string, float64>",
    "map<int64, list<string>>",
    "list<map<string, bool>>",
]


def values_of(text: str) -> st.SearchStrategy[Any]:
    type = parse_type(text)
    if type.kind.value == "map":
        assert type.key is not None
        return st.dictionaries(values_of(str(type.key)), values_of(str(type.item)), max_size=3)
    if type.is_listlike:
        low, high = (type.size, type.size) if type.size is not None else (0, 3)
        return st.lists(values_of(str(type.item)), min_size=low, max_size=high)
    return VALUES[text]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_slices_of_any_type(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TYPES))
    rows = data.draw(st.lists(st.none() | values_of(text), max_size=12))
    start = data.draw(st.integers(0, len(rows)))
    end = data.draw(st.integers(start, len(rows)))
    as_arrow = [list(row.items()) if isinstance(row, dict) else row for row in rows]
    array = pa.array(as_arrow, arrow_type(parse_type(text))).slice(start, end - start)
    whole = pa.record_batch([array], names=["x"])
    made = Batch.from_arrow(whole, [("x", text + "?")])
    assert made.values("x") == rows[start:end]
    out = pa.record_batch(made)
    out.validate(full=True)
    assert out.column(0).to_pylist() == array.to_pylist()
    again = Batch.from_arrow(out.slice(len(array) // 2), [("x", text + "?")])
    assert again.values("x") == rows[start:end][len(array) // 2 :]
    picks = data.draw(st.lists(st.integers(-1, len(array) - 1), max_size=8))
    taken = made.take(np.array(picks, np.int64))
    assert taken.values("x") == [None if p < 0 else rows[start + p] for p in picks]


class CArray(ctypes.Structure):
    pass


CArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(CArray))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


class Liar:
    """A record batch whose exported array is changed on its way."""

    def __init__(self, source: pa.RecordBatch, change: Callable[[Any], None]) -> None:
        self._source, self._change = source, change

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        schema, array = self._source.__arrow_c_array__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self._change(ctypes.cast(pointer(array, b"arrow_array"), ctypes.POINTER(CArray)).contents)
        return schema, array


def child(array: Any, *path: int) -> Any:
    for index in path:
        array = array.children[index].contents
    return array


def set_offsets(array: Any, values: list[int]) -> None:
    held = ctypes.cast(array.buffers[1], ctypes.POINTER(ctypes.c_int32))
    for i, value in enumerate(values):
        held[i] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: setattr(a, "length", -1), "impossible length"),
        (lambda a: setattr(a, "length", 2**40), "impossible length"),
        (lambda a: setattr(a, "length", 3), "shorter than its parent needs"),
        (lambda a: setattr(a, "offset", -1), "impossible length or offset"),
        (lambda a: setattr(a, "n_children", 1), "has not the children of its schema"),
        (lambda a: setattr(child(a, 0), "length", 1), "shorter than its parent needs"),
        (lambda a: setattr(child(a, 0), "null_count", 3), "impossible null count"),
        (lambda a: setattr(child(a, 0), "null_count", 1), "has nulls but no bitmap"),
        (lambda a: setattr(child(a, 0), "n_buffers", 1), "too few buffers"),
        (lambda a: setattr(child(a, 0), "n_buffers", 0), "has no buffers"),
        (lambda a: child(a, 0).buffers.__setitem__(1, None), "a buffer of the Arrow array is null"),
        (lambda a: child(a, 1).buffers.__setitem__(2, None), "a buffer of the Arrow array is null"),
        (lambda a: set_offsets(child(a, 1), [0, 2, 1]), "the offsets of the Arrow array descend, row 1"),
        (lambda a: set_offsets(child(a, 1), [-1, 0, 1]), "a negative offset"),
        (lambda a: set_offsets(child(a, 2), [0, 1, 9]), "shorter than its parent needs"),
        (lambda a: set_offsets(child(a, 2), [0, 3, 2]), "the offsets of the Arrow array descend, row 1"),
        (lambda a: setattr(child(a, 2), "n_children", 0), "has not the children of its schema"),
        (lambda a: setattr(child(a, 3, 0), "length", 2), "shorter than its parent needs"),
        (lambda a: setattr(child(a, 4, 0, 1), "length", 0), "shorter than its parent needs"),
    ],
)
def test_arrays_that_lie(change: Callable[[Any], None], message: str) -> None:
    columns: dict[str, tuple[str, list[Any]]] = {
        "x": ("int64", [1, 2]),
        "s": ("string", ["a", "bc"]),
        "l": ("list<int64>", [[1], [2, 3]]),
        "v": ("vector<int64, 2>", [[1, 2], [3, 4]]),
        "m": ("map<string, int64>", [{"a": 1}, {"b": 2}]),
    }
    source = record_batch(columns)
    types = [(name, type) for name, (type, _) in columns.items()]
    with pytest.raises(EngineError, match=message):
        Batch.from_arrow(Liar(source, change), types)


def test_invalid_utf8() -> None:
    raw = pa.array([b"ok", b"\xff\xfe"]).cast(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    with pytest.raises(EngineError, match="column `x`: invalid UTF-8 in row 1"):
        Batch.from_arrow(pa.record_batch([text], names=["x"]), [("x", "string")])


def test_carried_columns_are_those_that_later_stages_read() -> None:
    made = batch({"$7": ("int64", [1, 2]), "score": ("float64", [0.5, 0.25]), "$12": ("string", ["a", "b"])})
    carried = made.carried()
    assert carried.names == ["$7", "$12"]
    assert (carried.num_rows, carried.values("$7"), carried.values("$12")) == (2, [1, 2], ["a", "b"])
    assert carried.carried().names == carried.names
    program = Program(copying_program())
    assert program.run([carried], 2).carried().names == []


def copying_program() -> bytes:
    file = ProgramFile()
    file.output("copy", "int64", file.input("$7", "int64"))
    return bytes(file)
