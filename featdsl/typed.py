"""The typed tree: expressions after checking, with defs inlined and names resolved.

A `let` or `feature` that is used twice is one object, so this is a graph without cycles. It may be
deep (a chain of thousands of lets): walk it with a stack of your own, not by recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from featdsl.levels import Level
from featdsl.resources import Vocab, Zone
from featdsl.source_file import Span
from featdsl.types import Type

Constant = bool | int | float | str | None | tuple[Any, ...] | Vocab | Zone
"""A compile-time value; a tuple is a list of constants."""


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """One typed expression.

    `op` is the name of an operator, or
      `const`  attributes: value
      `input`  attributes: name. `user` (an entity's key), `profile.n_ratings`, `profile.clicks.at`
               (a list aligned with its sequence), `request.at`, `candidate.channel`, `output.like`
      `list`   args are the elements of a list literal that is not constant; type vector<T, n>

    `args` are the values of rows in the order of the overload's arguments (`overload` is an index into
    the operator's signatures), already widened to its types; `attributes` its const parameters, sorted
    by name, defaults filled in. int32 where int64 is wanted and float32 where float64 is wanted have
    no node of their own (int32 is held as int64, float32 as float64); integers to float64 is `float64`.

    `mapped` is empty, or says for each argument how many lists deep the operator is mapped over it.
    The deepest argument goes element by element; one that is mapped less deep stands beside all that
    is inside one of its elements, and one that is not mapped beside everything in its row. `type` is then
    the list, as deep, and `drops_null` says that elements that come out null are dropped from
    the innermost list (else they stay, and the innermost element is nullable).
    """

    op: str
    type: Type
    level: Level
    span: Span
    args: tuple[Typed, ...] = ()
    attributes: tuple[tuple[str, Constant], ...] = ()
    overload: int = 0
    mapped: tuple[int, ...] = ()
    drops_null: bool = False
    alignment: object | None = None
    """Lists with the same alignment (not None) have, row by row, equally many elements that belong
    together."""

    def attribute(self, name: str) -> Constant:
        return dict(self.attributes)[name]
