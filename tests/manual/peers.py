"""The rows of docs/peers.md as cases: what stands in the column *ours* gives what stands beside it.

    | theirs | `clip(x, 0, 5) ; x: int64 = 7` | `5` | where it differs |

The values are those of case files; a vocab is `@vocab name = ["a", "b"]` among the variables. A row whose second
cell is no code says that, or how, something is not an expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.cases import Case, Values, read_case
from tests.conformance.programs import substitute

PEERS = Path(__file__).parents[2] / "docs" / "peers.md"

_CELLS = re.compile(r"(?<!\\)\|")
_VOCAB = re.compile(r"(?:(?<=; )|, )@vocab (\w+) = (\[(?:\"[^\"]*\"|[^\]\"])*\])(?:, )?")


@dataclass(frozen=True)
class Row:
    """`case` is None where the row has no expression. `published`: the peer gives the same number."""

    section: str
    theirs: str
    case: Case | None
    published: bool
    note: str


def rows() -> list[Row]:
    """Every row of every table. Errors: `ValueError` for a row that is not of this form."""
    found: list[Row] = []
    section = ""
    for number, line in enumerate(PEERS.read_text(encoding="utf-8").split("\n"), start=1):
        if line.startswith("## "):
            section = line.removeprefix("## ")
        if not line.startswith("| ") or line.startswith("| theirs"):
            continue
        theirs, ours, gives, note = (cell.strip().replace("\\|", "|") for cell in _CELLS.split(line)[1:-1])
        case = (
            _case(ours[1:-1], gives.removesuffix(" ✓")[1:-1], number)
            if ours.startswith("`") and gives
            else None
        )
        found.append(Row(section, theirs, case, gives.endswith("✓"), note))
    return found


def _case(ours: str, gives: str, line: int) -> Case:
    """The case of a row; its vocabs get names of their own, since all rows are one program."""
    text = _VOCAB.sub("", ours).removesuffix("; ")
    vocabs = {}
    for name, entries in _VOCAB.findall(ours):
        text = substitute(text, {name: f"{name}_{line}"})
        vocabs[f"{name}_{line}"] = tuple(Values(entries).only())
    return read_case(f"{text} -> {gives}", PEERS, line, vocabs)
