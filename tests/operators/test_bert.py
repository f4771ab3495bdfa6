"""BERT's words, pieces and vectors: the engine against the references, on all that differs."""

from __future__ import annotations

import random

import pyarrow as pa

from compiler.bundle import compile_program
from compiler.native.rows import run_rows
from featdsl.check import check
from featdsl.operators import bert
from featdsl.resources import Vocab
from featdsl.types import parse_type
from tests.conformance.programs import arrow_type
from tests.operators.on_engine import run

CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def test_every_code_point_in_a_word() -> None:
    texts = [f"Áb{chr(code)}c" for code in CODE_POINTS]
    got = run(
        {"low": "bert_words(request.s)", "kept": "bert_words(request.s, false)"}, {"s": ("string", texts)}
    )
    for name, lower in (("low", True), ("kept", False)):
        pairs = zip(texts, got[name], strict=True)
        different = [(s, g) for s, g in pairs if g != bert.bert_words(s, lower=lower)]
        assert not different, (name, len(different), different[:5])


def test_every_way_to_cut_two_texts() -> None:
    sizes = [(a, b) for a in range(14) for b in range(14)]
    columns = {
        "a": ("list<int64>", [[7] * a for a, _ in sizes]),
        "b": ("list<int64>", [[8] * b for _, b in sizes]),
    }
    features = {f"n{n}": f"text_segments(request.a, request.b, {n})" for n in range(3, 16)}
    features |= {f"m{n}": f"text_mask(request.a, request.b, {n})" for n in range(3, 16)}
    got = run(features, columns)
    for n in range(3, 16):
        for row, (a, b) in enumerate(sizes):
            assert got[f"n{n}"][row] == bert.text_segments([7] * a, [8] * b, n=n), (n, a, b)
            assert got[f"m{n}"][row] == bert.text_mask([7] * a, [8] * b, n=n), (n, a, b)


def test_pieces_of_random_words_from_random_vocabs() -> None:
    draw = random.Random(5)
    for size in (1, 5, 40, 400, 3000):
        entries = {"[UNK]": None}
        for _ in range(size):
            length = draw.choice([1, 1, 2, 2, 3, 5])
            entries[draw.choice(["", "##"]) + "".join(draw.choices("abé日\U0001f642\u0301", k=length))] = None
        words = ["".join(draw.choices("abé日\U0001f642\u0301", k=draw.randrange(12))) for _ in range(300)]
        text = (
            'entity user: int64 per request\nvocab v from "v.txt"\nrequest { w: list<string> }\n'
            "feature ids = wordpiece(request.w, v, max_chars: 8)\n"
        )
        overlay = {"t.feat": f"namespace t\n{text}", "v.txt": "\n".join(entries) + "\n"}
        checked = check("t.feat", overlay=overlay).program
        assert checked is not None
        column = pa.array([words], arrow_type(parse_type("list<string>")))
        table = pa.table({"user": [1], "request": pa.StructArray.from_arrays([column], names=["w"])})
        got = run_rows(compile_program(checked), "features", table).column("ids").to_pylist()[0]
        vocab = Vocab.of("v", tuple(entries))
        assert got == bert.wordpiece(words, vocab=vocab, unknown="[UNK]", prefix="##", max_chars=8)
