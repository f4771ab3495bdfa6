"""Nodes of the syntax tree are plain values, made by `featdsl.syntax.node`."""

from __future__ import annotations

import pytest

from featdsl.source_file import SourceFile, Span
from featdsl.syntax.tree import Argument, Name

SPAN = Span(SourceFile("a.feat", "x"), 0, 1)


def test_a_node_compares_hashes_and_shows_by_its_values() -> None:
    assert Name("x", SPAN) == Name(name="x", span=SPAN)
    assert Name("x", SPAN) != Name("y", SPAN)
    assert len({Name("x", SPAN), Name("x", SPAN)}) == 1
    assert repr(Argument(Name("x", SPAN))).startswith("Argument(value=Name(name='x', span=Span(")


def test_a_node_has_defaults_and_cannot_be_changed() -> None:
    argument = Argument(Name("x", SPAN))
    assert (argument.name, argument.piped) == (None, False)
    with pytest.raises(AttributeError):
        argument.piped = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        Argument()  # type: ignore[call-arg]
