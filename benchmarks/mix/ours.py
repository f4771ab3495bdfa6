"""The mix in our engine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.mix.data import ITEM_TYPES, USER_TYPES, Call
from compiler.bundle import Bundle, compile_program
from compiler.native.program import stage_programs
from engine import Batch
from featdsl.check import check
from online.stages import Inputs, Stages

FILE = Path(__file__).parent / "mix.feat"


def bundle_of(vocabs: list[list[str]], *, stages: bool) -> Bundle:
    """The program; without `stages` all fields are of the candidate, so that one native program computes all."""
    text = FILE.read_text()
    if not stages:
        text = re.sub(
            r"source profile of user \{(.*?)\}\s*source movie of item \{",
            r"candidate {\1",
            text,
            flags=re.DOTALL,
        )
        text = re.sub(r"\b(profile|movie)\.", "candidate.", text)
    overlay = {f"vocab_{k}.txt": "".join(f"{word}\n" for word in words) for k, words in enumerate(vocabs)}
    checked = check("mix.feat", overlay={"mix.feat": text, **overlay})
    assert checked.program is not None, checked.diagnostics
    return compile_program(checked.program)


class Staged:
    """As a server runs it: the user's part once, the items' part, then the pairs'."""

    name = "featdsl, in stages"

    def __init__(self, vocabs: list[list[str]]) -> None:
        self._stages = Stages(bundle_of(vocabs, stages=True), "features")

    def prepare(self, call: Call) -> Inputs:
        size = len(call.items)
        inputs = Inputs(size, size, np.arange(size), np.zeros(size, np.uint8))
        inputs.add("request", _batch(call.user_columns, "profile", USER_TYPES))
        inputs.add("item", _batch(call.item_columns, "movie", ITEM_TYPES))
        return inputs

    def run(self, inputs: Inputs) -> dict[str, Batch]:
        return dict(self._stages.compute(inputs).columns)

    def outputs(self, made: dict[str, Batch]) -> dict[str, np.ndarray]:
        return {name: batch.tensor(name) for name, batch in made.items()}


class Whole:
    """As one program, the user's row beside the items'."""

    name = "featdsl"

    def __init__(self, vocabs: list[list[str]]) -> None:
        program = stage_programs(bundle_of(vocabs, stages=False), "features").pair
        assert program is not None
        self._program = program

    def prepare(self, call: Call) -> tuple[list[Batch], int]:
        user = _batch(call.user_columns, "candidate", USER_TYPES)
        return [user, _batch(call.item_columns, "candidate", ITEM_TYPES)], len(call.items)

    def run(self, inputs: tuple[list[Batch], int]) -> Batch:
        return self._program.run(*inputs)

    def outputs(self, made: Batch) -> dict[str, np.ndarray]:
        return {name: made.tensor(name) for name in made.names}


def _batch(columns: pa.RecordBatch, prefix: str, types: dict[str, tuple[str, pa.DataType]]) -> Batch:
    names = [f"{prefix}.{name}" for name in types]
    return Batch.from_arrow(
        columns.rename_columns(names), [(n, text) for n, (text, _) in zip(names, types.values(), strict=True)]
    )
