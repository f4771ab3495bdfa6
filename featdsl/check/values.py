"""What a name or an argument can stand for while an expression is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featdsl.source_file import Span
from featdsl.syntax.tree import Identifier
from featdsl.typed import Typed

if TYPE_CHECKING:
    from featdsl.check.fitting import FittedVocab
    from featdsl.check.vocabs import DeclaredVocab


@dataclass(frozen=True, slots=True)
class VocabValue:
    """A vocab as an argument."""

    vocab: DeclaredVocab | FittedVocab
    span: Span


Value = Typed | VocabValue


@dataclass(frozen=True, slots=True)
class Given:
    """One argument of a call. `each`: the operator is mapped over it at least so many lists deep."""

    value: Value
    span: Span
    name: Identifier | None = None
    each: int = 0
