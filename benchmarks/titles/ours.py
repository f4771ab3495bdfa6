"""Titles to ids in our engine."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from compiler.bundle import compile_program
from compiler.native.program import stage_programs
from engine import Batch
from featdsl.check import check

FILE = Path(__file__).parent / "titles.feat"


class EngineTitles:
    name = "featdsl"

    def __init__(self, vocab: list[str]) -> None:
        overlay = {FILE.name: FILE.read_text(), "words.txt": "".join(f"{word}\n" for word in vocab)}
        checked = check(FILE.name, overlay=overlay)
        assert checked.program is not None, checked.diagnostics
        program = stage_programs(compile_program(checked.program), "features").pair
        assert program is not None
        self._program = program

    def prepare(self, titles: list[str]) -> Batch:
        columns = pa.RecordBatch.from_arrays([pa.array(titles)], ["candidate.title"])
        return Batch.from_arrow(columns, [("candidate.title", "string")])

    def run(self, titles: Batch) -> Batch:
        return self._program.run([titles], titles.num_rows)

    def ids(self, made: Batch) -> list[list[int]]:
        ids: list[list[int]] = made.tensor("title_ids").tolist()
        return ids
