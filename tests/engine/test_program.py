"""Programs: reading their files and running them."""

from __future__ import annotations

import contextlib
import math
import struct
import threading
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from engine import Batch, EngineError, Program, kernels
from tests.engine.arrow_rows import batch, run
from tests.engine.program_file import Mapped, ProgramFile, Ref


def one_call(op: str, result: str, inputs: dict[str, str], **attributes: tuple[Any, str]) -> Program:
    """A program of one call on its inputs."""
    file = ProgramFile()
    refs = [file.input(name, type) for name, type in inputs.items()]
    constants = {name: file.constant(*value) for name, value in attributes.items()}
    file.output("out", result, file.call(op, result, refs, constants))
    return Program(bytes(file))


def test_scalar_arithmetic() -> None:
    program = one_call("add", "int64", {"a": "int64", "b": "int32"})
    assert program.inputs == [("a", "int64"), ("b", "int32")]
    assert program.outputs == [("out", "int64")]
    columns = {"a": ("int64", [1, 2, 2**63 - 1]), "b": ("int32", [10, -20, 1])}
    assert run(program, columns, 3)["out"] == [11, -18, -(2**63)]


def test_null_spreads_and_kernels_give_null() -> None:
    program = one_call("divide", "float64?", {"a": "float64?", "b": "float64"})
    columns = {"a": ("float64?", [1.0, None, 3.0]), "b": ("float64", [2.0, 1.0, 0.0])}
    assert run(program, columns, 3)["out"] == [0.5, None, None]


def test_kernel_that_takes_null() -> None:
    file = ProgramFile()
    x = file.input("x", "float64?")
    default = file.constant(-1.0, "float64")
    file.output("out", "float64", file.call("coalesce", "float64", [x, default]))
    assert run(bytes(file), {"x": ("float64?", [None, 2.0])}, 2)["out"] == [-1.0, 2.0]


def test_null_constant() -> None:
    file = ProgramFile()
    x = file.input("x", "int64")
    null = file.constant(None, "nothing?")
    file.output("sum", "int64?", file.call("add", "int64?", [x, null]))
    file.output("other", "int64", file.call("coalesce", "int64", [null, x]))
    assert run(bytes(file), {"x": ("int64", [1, 2])}, 2) == {"sum": [None, None], "other": [1, 2]}


def test_empty_list_constant_takes_the_type_it_stands_at() -> None:
    file = ProgramFile()
    x = file.input("x", "string")
    empty = file.constant([], "list<nothing>")
    file.output("out", "bool", file.call("contains", "bool", [empty, x]))
    assert run(bytes(file), {"x": ("string", ["a", "b"])}, 2)["out"] == [False, False]


def test_strings() -> None:
    program = one_call("concat", "string?", {"a": "string?", "b": "string"})
    columns = {"a": ("string?", ["x", None, "ü"]), "b": ("string", ["1", "2", "😀"])}
    assert run(program, columns, 3)["out"] == ["x1", None, "ü😀"]


def test_attributes_and_state() -> None:
    program = one_call(
        "bucketize", "int64", {"x": "float64"}, edges=([1.0, 2.0], "list<float64>"), right=(False, "bool")
    )
    assert run(program, {"x": ("float64", [0.5, 1.0, 5.0])}, 3)["out"] == [0, 1, 2]


def test_attribute_absent() -> None:
    with pytest.raises(EngineError, match="instruction 0, `bucketize`: the attribute `edges` is absent"):
        one_call("bucketize", "int64", {"x": "float64"})


def test_mapped_over_a_list() -> None:
    file = ProgramFile()
    xs = file.input("xs", "list<int64>?")
    y = file.input("y", "int64?")
    file.output("out", "list<int64>?", file.call("add", "list<int64>?", [Mapped(xs), y], drops_null=True))
    columns = {"xs": ("list<int64>?", [[1, 2], [], None, [3]]), "y": ("int64?", [10, 20, 30, None])}
    assert run(bytes(file), columns, 4)["out"] == [[11, 12], [], None, []]


def test_mapped_keeps_null_elements() -> None:
    file = ProgramFile()
    xs, ys = file.input("xs", "list<float64>"), file.input("ys", "list<float64>")
    quotient = file.call("divide", "list<float64?>", [Mapped(xs), Mapped(ys)])
    zero = file.constant(0.0, "float64")
    file.output("kept", "list<float64?>", quotient)
    file.output("filled", "list<float64>", file.call("coalesce", "list<float64>", [Mapped(quotient), zero]))
    columns = {"xs": ("list<float64>", [[1.0, 2.0], [3.0]]), "ys": ("list<float64>", [[2.0, 0.0], [1.0]])}
    assert run(bytes(file), columns, 2) == {"kept": [[0.5, None], [3.0]], "filled": [[0.5, 0.0], [3.0]]}


def test_mapped_drops_null_elements() -> None:
    file = ProgramFile()
    xs = file.input("xs", "list<float64>")
    roots = file.call("sqrt", "list<float64>", [Mapped(xs)], drops_null=True)
    file.output("out", "list<float64>", roots)
    assert run(bytes(file), {"xs": ("list<float64>", [[-1.0, 4.0], [-1.0], [9.0, -2.0, 1.0]])}, 3)["out"] == [
        [2.0],
        [],
        [3.0, 1.0],
    ]


def test_mapped_with_a_list_that_is_null_elsewhere() -> None:
    file = ProgramFile()
    xs, ys = file.input("xs", "list<int64>?"), file.input("ys", "list<int64>")
    file.output("out", "list<int64>?", file.call("add", "list<int64>?", [Mapped(xs), Mapped(ys)]))
    columns = {"xs": ("list<int64>?", [[1], None, [2, 3]]), "ys": ("list<int64>", [[10], [7, 7], [20, 30]])}
    assert run(bytes(file), columns, 3)["out"] == [[11], None, [22, 33]]


def test_mapped_lists_of_different_lengths() -> None:
    file = ProgramFile()
    xs, ys = file.input("xs", "list<int64>"), file.input("ys", "list<int64>")
    file.output("out", "list<int64>", file.call("add", "list<int64>", [Mapped(xs), Mapped(ys)]))
    columns = {"xs": ("list<int64>", [[1], [1, 2]]), "ys": ("list<int64>", [[1], [1]])}
    with pytest.raises(EngineError, match="lists of 2 and 1 elements beside each other, row 1"):
        run(bytes(file), columns, 2)


def test_mapped_over_a_vector_stays_a_vector() -> None:
    file = ProgramFile()
    xs, y = file.input("xs", "vector<float64, 2>?"), file.input("y", "float64")
    total = file.call("add", "vector<float64, 2>?", [Mapped(xs), y])
    file.output("out", "vector<float32, 2>?", total)
    columns = {"xs": ("vector<float64, 2>?", [[1.0, 2.0], None]), "y": ("float64", [1.0, 2.0])}
    assert run(bytes(file), columns, 2)["out"] == [[2.0, 3.0], None]


def test_mapped_over_a_vector_that_loses_elements() -> None:
    file = ProgramFile()
    xs = file.input("xs", "vector<float64, 2>?")
    file.output("out", "list<float64>?", file.call("sqrt", "list<float64>?", [Mapped(xs)], drops_null=True))
    assert run(bytes(file), {"xs": ("vector<float64, 2>?", [[1.0, -2.0], None, [4.0, 9.0]])}, 3)["out"] == [
        [1.0],
        None,
        [2.0, 3.0],
    ]


def test_mapped_over_strings_beside_a_string() -> None:
    file = ProgramFile()
    xs, y = file.input("xs", "list<string>"), file.input("y", "string")
    file.output("out", "list<string>", file.call("concat", "list<string>", [Mapped(xs), y]))
    columns = {"xs": ("list<string>", [["a", "b"], [], ["c"]]), "y": ("string", ["1", "2", "3"])}
    assert run(bytes(file), columns, 3)["out"] == [["a1", "b1"], [], ["c3"]]


def test_constant_list_mapped_beside_rows() -> None:
    file = ProgramFile()
    y = file.input("y", "int64")
    xs = file.constant([1, 2], "vector<int64, 2>")
    file.output("out", "vector<int64, 2>", file.call("multiply", "vector<int64, 2>", [Mapped(xs), y]))
    assert run(bytes(file), {"y": ("int64", [1, 10, 100])}, 3)["out"] == [[1, 2], [10, 20], [100, 200]]


def test_list_literal() -> None:
    file = ProgramFile()
    a, b = file.input("a", "int64?"), file.input("b", "int64")
    one = file.constant(1, "int64")
    file.output("out", "vector<int32, 3>?", file.call("list", "vector<int64, 3>?", [a, one, b]))
    assert run(bytes(file), {"a": ("int64?", [5, None]), "b": ("int64", [7, 8])}, 2)["out"] == [
        [5, 1, 7],
        None,
    ]


def test_list_literal_of_strings_and_of_lists() -> None:
    file = ProgramFile()
    s, xs = file.input("s", "string"), file.input("xs", "list<int64>")
    tail = file.constant("z", "string")
    file.output("words", "vector<string, 2>", file.call("list", "vector<string, 2>", [s, tail]))
    file.output("lists", "vector<list<int64>, 2>", file.call("list", "vector<list<int64>, 2>", [xs, xs]))
    columns = {"s": ("string", ["a", "b"]), "xs": ("list<int64>", [[1], [2, 3]])}
    assert run(bytes(file), columns, 2) == {
        "words": [["a", "z"], ["b", "z"]],
        "lists": [[[1], [1]], [[2, 3], [2, 3]]],
    }


def test_kernel_that_gives_a_vector() -> None:
    program = one_call("pad", "vector<int64, 3>", {"xs": "list<int64>"}, n=(3, "int64"), fill=(0, "int64"))
    assert run(program, {"xs": ("list<int64>", [[1], [1, 2, 3, 4]])}, 2)["out"] == [[1, 0, 0], [1, 2, 3]]


def test_vector_of_another_length_than_declared() -> None:
    with pytest.raises(EngineError, match="pad to 3 gives no `vector<int64, 2>`"):
        one_call("pad", "vector<int64, 2>", {"xs": "list<int64>"}, n=(3, "int64"), fill=(0, "int64"))
    program = one_call("distinct", "vector<int64, 2>", {"xs": "list<int64>"})
    with pytest.raises(EngineError, match="a row of 3 elements where `vector<int64, 2>` is declared"):
        run(program, {"xs": ("list<int64>", [[1, 2], [1, 2, 3]])}, 2)


def test_null_row_of_a_vector_takes_its_room() -> None:
    program = one_call(
        "pad", "vector<string, 2>?", {"xs": "list<string>?"}, n=(2, "int64"), fill=("", "string")
    )
    assert run(program, {"xs": ("list<string>?", [["a"], None, ["b", "c"]])}, 3)["out"] == [
        ["a", ""],
        None,
        ["b", "c"],
    ]


def test_one_row_beside_many() -> None:
    file = ProgramFile()
    user, item = file.input("user", "float64"), file.input("item", "float64")
    tags, query = file.input("tags", "list<string>"), file.input("query", "string")
    doubled = file.call("add", "float64", [user, user])
    file.output("score", "float64", file.call("multiply", "float64", [doubled, item]))
    file.output("user", "float64", doubled)
    file.output("has", "bool", file.call("contains", "bool", [tags, query]))
    file.output("tags", "list<string>", tags)
    program = Program(bytes(file))
    request = batch({"user": ("float64", [2.0]), "tags": ("list<string>", [["a", "b"]])})
    for rows in (0, 1, 3):
        items = batch(
            {"item": ("float64", [1.0, 2.0, 3.0][:rows]), "query": ("string", ["b", "c", "a"][:rows])}
        )
        out = program.run([request, items], rows)
        assert out.num_rows == rows
        assert out.values("score") == [4.0, 8.0, 12.0][:rows]
        assert out.values("user") == [4.0] * rows
        assert out.values("has") == [True, False, True][:rows]
        assert out.values("tags") == [["a", "b"]] * rows


def test_inputs_are_found_in_whatever_batches_come() -> None:
    program = one_call("subtract", "int64", {"a": "int64", "b": "int64"})
    a, b = ("int64", [5, 7]), ("int64", [1, 2])
    for _ in range(2):
        for others in range(6):
            more = {f"other{k}": b for k in range(others)}
            assert program.run([batch({**more, "a": a}), batch({"b": b, **more})], 2).values("out") == [4, 5]
            assert program.run([batch({"b": b, "a": a, **more})], 2).values("out") == [4, 5]
        with pytest.raises(EngineError, match="no batch has the input `b`"):
            program.run([batch({"a": a})], 2)
        with pytest.raises(EngineError, match="the input `b` is a `string`, wanted `int64`"):
            program.run([batch({"a": a, "b": ("string", ["1", "2"])})], 2)


def test_constants_alone() -> None:
    file = ProgramFile()
    total = file.call("add", "int64", [file.constant(2, "int64"), file.constant(3, "int64")])
    file.output("out", "int32", total)
    file.output("text", "string", file.constant("x", "string"))
    file.output("map", "map<string, float64>", file.constant({"a": 1.0}, "map<string, float64>"))
    out = Program(bytes(file)).run([], 2)
    assert [out.values(name) for name in out.names] == [[5, 5], ["x", "x"], [{"a": 1.0}, {"a": 1.0}]]


def test_outputs_are_stored_as_declared() -> None:
    file = ProgramFile()
    x, at = file.input("x", "float64"), file.input("at", "timestamp")
    file.output("f32", "float32", x)
    file.output("f64", "float64", x)
    file.output("at", "timestamp", at)
    out = Program(bytes(file)).run([batch({"x": ("float64", [0.1]), "at": ("timestamp", [7])})], 1)
    table = pa.record_batch(out)
    assert table.schema.types == [pa.float32(), pa.float64(), pa.timestamp("us", "UTC")]
    assert out.tensor("f32").dtype == np.float32
    assert out.values("f32") == [float(np.float32(0.1))]


def test_int32_output_that_does_not_fit() -> None:
    file = ProgramFile()
    file.output("out", "int32", file.input("x", "int64"))
    with pytest.raises(EngineError, match="output `out`: a value does not fit int32: 4294967296"):
        run(bytes(file), {"x": ("int64", [2**32])}, 1)


def test_null_in_an_output_that_has_none() -> None:
    file = ProgramFile()
    file.output("out", "int64", file.input("x", "int64?"))
    with pytest.raises(EngineError, match="output `out`: a null where `int64` has none, row 1"):
        run(bytes(file), {"x": ("int64?", [1, None])}, 2)


def test_nonfinite_outputs_become_zero_and_are_counted() -> None:
    file = ProgramFile()
    x, xs = file.input("x", "float64?"), file.input("xs", "vector<float64, 2>")
    file.output("x", "float32?", x, finite=True)
    file.output("xs", "vector<float64, 2>", xs, finite=True)
    file.output("raw", "float64?", x)
    program = Program(bytes(file))
    columns = {
        "x": ("float64?", [1.5, math.inf, 1e300, None]),
        "xs": ("vector<float64, 2>", [[1.0, math.nan], [-math.inf, 2.0], [0.0, 0.0], [3.0, 4.0]]),
    }
    out = run(program, columns, 4)
    assert out["x"] == [1.5, 0.0, 0.0, None]
    assert out["xs"] == [[1.0, 0.0], [0.0, 2.0], [0.0, 0.0], [3.0, 4.0]]
    assert out["raw"] == [1.5, math.inf, 1e300, None]
    assert program.nonfinite_total == 4


def test_inputs_that_do_not_fit() -> None:
    program = one_call("add", "int64", {"a": "int64", "b": "int64"})
    with pytest.raises(EngineError, match="no batch has the input `b`"):
        program.run([batch({"a": ("int64", [1])})], 1)
    with pytest.raises(EngineError, match="the input `b` is a `float64`, wanted `int64`"):
        program.run([batch({"a": ("int64", [1]), "b": ("float64", [1.0])})], 1)
    with pytest.raises(EngineError, match="a batch of 2 rows in a run of 3"):
        program.run([batch({"a": ("int64", [1, 2]), "b": ("int64", [1, 2])})], 3)
    with pytest.raises(EngineError, match="a run of -1 rows"):
        program.run([], -1)


def test_thousands_of_instructions() -> None:
    file = ProgramFile()
    x = file.input("x", "int64")
    one = file.constant(1, "int64")
    at = x
    for _ in range(20_000):
        at = file.call("add", "int64", [at, one])
    file.output("out", "int64", at)
    assert run(bytes(file), {"x": ("int64", [5, -5])}, 2)["out"] == [20_005, 19_995]


def test_runs_in_threads() -> None:
    file = ProgramFile()
    x = file.input("x", "float64")
    words = file.input("s", "string")
    file.output("x", "float64", file.call("multiply", "float64", [x, x]))
    file.output("s", "string", file.call("upper", "string", [words]))
    program = Program(bytes(file))
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for n in range(1, 60):
                out = program.run(
                    [batch({"x": ("float64", [float(seed)] * n), "s": ("string", ["ab"] * n)})], n
                )
                assert out.values("x") == [float(seed * seed)] * n
                assert out.values("s") == ["AB"] * n
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# --- files that lie ----------------------------------------------------------------------------


def sample() -> bytes:
    file = ProgramFile()
    x, xs, s = file.input("x", "float64?"), file.input("xs", "list<int64>"), file.input("s", "string")
    tags = file.input("tags", "map<string, float64>")
    two, key = file.constant(2.0, "float64"), file.constant("a", "string")
    width, fill = file.constant(3, "int64"), file.constant(0, "int64")
    vocab = file.constant(["a", "b"], "list<string>")
    half = file.call("divide", "float64?", [x, two])
    file.output("half", "float32", file.call("coalesce", "float64", [half, two]), finite=True)
    more = file.call("add", "list<int64>", [Mapped(xs), Mapped(xs)], drops_null=True)
    file.output(
        "padded", "vector<int64, 3>", file.call("pad", "vector<int64, 3>", [more], {"n": width, "fill": fill})
    )
    file.output("id", "int64", file.call("lookup", "int64", [s], {"vocab": vocab}))
    file.output("tag", "float64?", file.call("get", "float64?", [tags, key]))
    file.output("pair", "vector<string, 2>", file.call("list", "vector<string, 2>", [s, key]))
    return bytes(file)


SAMPLE = sample()
ROWS: dict[str, tuple[str, list[Any]]] = {
    "x": ("float64?", [1.0, None, 3.0]),
    "xs": ("list<int64>", [[1, 2], [], [3, 4, 5, 6]]),
    "s": ("string", ["a", "c", "b"]),
    "tags": ("map<string, float64>", [{"a": 1.0}, {}, {"b": 2.0}]),
}


def load_and_run(data: bytes) -> None:
    """Whatever the bytes: it works, or it is an EngineError."""
    with contextlib.suppress(EngineError):
        Program(data).run([batch(ROWS)], 3)


def test_the_sample_runs() -> None:
    assert run(SAMPLE, ROWS, 3) == {
        "half": [0.5, 2.0, 1.5],
        "padded": [[2, 4, 0], [0, 0, 0], [6, 8, 10]],
        "id": [2, 1, 3],
        "tag": [1.0, None, None],
        "pair": [["a", "a"], ["c", "a"], ["b", "a"]],
    }


def test_every_prefix_is_refused() -> None:
    for end in range(len(SAMPLE)):
        with pytest.raises(EngineError):
            Program(SAMPLE[:end])
    with pytest.raises(EngineError, match="goes on after its end"):
        Program(SAMPLE + b"\0")


def test_every_byte_changed() -> None:
    for at in range(len(SAMPLE)):
        for value in (0, 1, 0x7F, 0xFF):
            load_and_run(SAMPLE[:at] + bytes([value]) + SAMPLE[at + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    load_and_run(data)
    load_and_run(SAMPLE[:12] + data)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) * 8 - 1)), min_size=1, max_size=6))
def test_flipped_bits(flips: list[tuple[int]]) -> None:
    data = bytearray(SAMPLE)
    for (bit,) in flips:
        data[bit // 8] ^= 1 << bit % 8
    load_and_run(bytes(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.input("x", "int64"), "two inputs are named `x`"),
        (lambda f: f.input("y", "int65"), "not a type: `int65`"),
        (lambda f: f.input("y", "nothing?"), "the input `y` has type `nothing"),
        (lambda f: f.input("y", "list<" * 40), "nested more than 16 deep"),
        (lambda f: f.input("y", "vector<int64, 99999999999>"), "a vector is longer than 2\\^24"),
        (lambda f: f.constant([1], "vector<int64, 2>"), "a vector<int64, 2> got 1 elements"),
        (lambda f: f.constant(None, "int64"), "a null constant of type `int64`"),
        (
            lambda f: f.call("nonsense", "int64", [Ref(0, 0)]),
            "instruction 0, `nonsense`: no kernel `nonsense\\(f64\\)->i64`",
        ),
        (lambda f: f.call("abs", "string", [Ref(0, 0)]), "no kernel `abs\\(f64\\)->str`, there are: abs"),
        (lambda f: f.call("abs", "float64", [Ref(0, 1)]), "register 1 is not there, of 1"),
        (lambda f: f.call("abs", "float64", [Ref(1, 0)]), "constant 0 is not there, of 0"),
        (
            lambda f: f.call("abs", "list<float64>", [Mapped(Ref(0, 0))]),
            "mapped over argument 0, a `float64`",
        ),
        (
            lambda f: f.call("coalesce", "string", [Ref(0, 0), Ref(0, 0)]),
            "no kernel `coalesce\\(f64,f64\\)->str`",
        ),
        (lambda f: f.call("list", "vector<string, 1>", [Ref(0, 0)]), "no kernel `list"),
        (
            lambda f: f.output("o", "string", Ref(0, 0)),
            "the output `o` of type `string` is made from a `float64`",
        ),
        (lambda f: [f.output("o", "float64", Ref(0, 0)) for _ in "ab"], "two outputs are named `o`"),
    ],
)
def test_what_is_wrong_is_said(change: Any, message: str) -> None:
    file = ProgramFile()
    file.input("x", "float64")
    change(file)
    with pytest.raises(EngineError, match=message):
        Program(bytes(file))


def test_messages_are_text_whatever_was_read() -> None:
    file = ProgramFile()
    file.call("a" + "ü" * 79, "int64", [file.input("x", "int64")])
    with pytest.raises(EngineError, match="the operator is not in this engine"):
        Program(bytes(file))


def test_counts_past_the_end_allocate_nothing() -> None:
    huge = struct.pack("<I", 0xFFFFFFFF)
    for position in range(4):
        with pytest.raises(EngineError, match="claims more than it holds"):
            Program(b"FEATPRG1" + struct.pack("<I", 1) + struct.pack("<I", 0) * position + huge)


def test_null_vectors_cannot_ask_for_the_memory_of_the_machine() -> None:
    file = ProgramFile()
    for _ in range(40):
        file.constant(None, f"vector<float64, {1 << 24}>?")
    with pytest.raises(EngineError, match="more memory than its limit"):
        Program(bytes(file))


def test_kernels_are_listed() -> None:
    signatures = kernels()
    assert "divide(f64,f64)->f64?" in signatures
    assert "list(any?...)->list<any>?" in signatures
    assert signatures == sorted(set(signatures))


def test_not_bytes() -> None:
    with pytest.raises(TypeError):
        Program("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Program(SAMPLE).run([1], 1)  # type: ignore[list-item]
    assert isinstance(Program(SAMPLE).run([batch(ROWS)], 3), Batch)


@pytest.mark.parametrize(("n", "fill"), [(1 << 60, " "), (5, ""), (-1, " "), (5, "ab")])
def test_padding_that_has_no_end_is_refused(n: int, fill: str) -> None:
    with pytest.raises(EngineError, match="a text is padded to"):
        one_call("right_pad", "string", {"s": "string"}, n=(n, "int64"), fill=(fill, "string"))


@pytest.mark.parametrize("n", [1 << 60, -1])
def test_text_that_is_repeated_without_end_is_refused(n: int) -> None:
    with pytest.raises(EngineError, match="a text is repeated"):
        one_call("repeat", "string", {"s": "string"}, n=(n, "int64"))
