"""Checked reading of plain data (what JSON gives): a bundle may be damaged, or not one at all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from featdsl.types import Type, parse_type


class BadData(Exception):
    """The data is not what was written. The message says where."""


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadData(otherwise)


def members(data: Any, /, **wanted: Any) -> dict[str, Any]:
    """The members of an object by name, each of its wanted type; `(type, default)` for one that may be
    absent. Errors: `BadData` for another type, an absent member, or one that is not known."""
    expect(isinstance(data, dict), "an object is missing")
    read, absent = {}, 0
    for name, kind in wanted.items():
        kind, default = kind if isinstance(kind, tuple) else (kind, _ABSENT)
        value = data.get(name, _ABSENT)
        if value is _ABSENT:
            absent += 1
            value = default
            if value is _ABSENT:
                raise BadData(f"`{name}` is missing")
        elif kind is not object and type(value) is not kind:
            raise BadData(f"`{name}` is of another type")
        read[name] = value
    if len(data) != len(wanted) - absent:
        unknown = sorted(set(data) - set(wanted))
        raise BadData(f"not known: {', '.join(map(repr, unknown))}")
    return read


def parsed_type(text: Any) -> Type:
    """A type as `str(type)` wrote it. Errors: `BadData`."""
    expect(isinstance(text, str) and len(text) <= 1000, "a type is not text")
    try:
        return _type(text)
    except (ValueError, RecursionError):
        raise BadData(f"not a type: {text!r}") from None


_ABSENT = object()
_type = lru_cache(maxsize=4096)(parse_type)
