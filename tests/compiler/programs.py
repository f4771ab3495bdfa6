"""Programs for the compiler's tests, from text."""

from __future__ import annotations

from pathlib import Path

from compiler.bundle import Bundle, compile_program
from compiler.ir import Module, feature_root
from compiler.lower import lower
from compiler.text import expression
from featdsl.check import check
from featdsl.program import CheckedProgram
from featdsl.rendering import as_text

MOVIES = Path(__file__).parent.parent / "language" / "fixtures" / "movies" / "movies.feat"

SOURCES = """
namespace shop
entity user: int64 per request
entity item: string per candidate
source u of user { a: int64 = 0  b: int64 = 0  n: int64?  x: float64 = 0.0  s: string?  xs: list<float64>
  seen: sequence[3] { id: string  at: timestamp } }
source m of item { a: int64 = 0  p: bool = false  q: bool?  x: float64?  tags: list<string> }
source seen_m = m of u.seen.id
request { at: timestamp = now  page: string = "home" }
candidate { rank: int32 = 0 }
vocab words from "words.txt"
"""


def checked(text: str, **files: str) -> CheckedProgram:
    """The checked program of a text, in which features may be null; `words.txt` holds three words."""
    overlay = {"words.txt": "red\ngreen\nblue\n", "main.feat": text} | files
    result = check("main.feat", overlay=overlay, nullable_features=True)
    assert result.program is not None, as_text(result.diagnostics)
    return result.program


def lowered(features: str) -> Module:
    """The IR of features over `SOURCES`."""
    return lower(checked(SOURCES + features))


def compiled(features: str) -> Bundle:
    """The bundle of declarations over `SOURCES`."""
    return compile_program(checked(SOURCES + features))


def shown(module: Module, feature: str = "f") -> str:
    """A feature's expression on one line."""
    texts: dict[int, tuple[str, int]] = {}
    for node in module.graph.nodes:
        texts[node.id] = expression(node, [texts[arg.id] for arg in node.args])
    return texts[module.roots[feature_root(feature)].node.id][0]
