"""Rows of a source that is keyed by a list: one an element of the key, as the key reads.

In joined rows such a column holds a list of structs, either one an element of the key as it was given, or one
an element that the input rules left of it. Both are taken; a missing list is missing rows. Where the key is itself
a field of a source that is keyed by a list, the rows are one an element of that source as it reads.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import replace
from typing import Any

from compiler.reference.read import read_struct
from featdsl.errors import InputError
from featdsl.program import Field, Sequence, Source
from featdsl.types import INT64, list_of

_PLACE = "#"


def aligned_rows(
    source: Source, elements: Items[Any] | None, key: Items[Any], owner: Source, given: Any
) -> list[int | None]:
    """For each element of `key` (as read), the position of its row in `elements`, or None: missing.

    `owner` is the source that holds the key, `given` its struct in this row. Errors: `InputError` where the
    lengths fit neither the key as it was given nor as it was read.
    """
    if elements is None:
        return [None] * len(key)
    if len(elements) == len(key):
        return list(range(len(key)))
    length = -1
    kept: list[int] = []
    if not owner.per_element:
        path = source.key.split(".")[1:]
        field = next(f for f in owner.fields if f.name == path[0])
        length, kept = _kept(field, path[-1], None if given is None else given.get(field.name))
    if length != len(elements):
        raise InputError(
            f"`{source.name}` has another number of rows than its key `{source.key}`: "
            f"{len(elements)} instead of {len(key)}"
        )
    return list(kept)


def _kept(field: Field | Sequence, member: str, given: Any) -> tuple[int, list[int]]:
    """The length of a list as given, and the positions that the input rules leave."""
    if given is None:
        return 0, []
    if isinstance(field, Field):
        one = replace(field, type=list_of(field.type.item), cap=None, default=None)
        kept = [i for i, e in enumerate(given) if read_struct("", (one,), {one.name: [e]})[f".{one.name}"]]
        return len(given), kept[: field.cap]
    if isinstance(given, dict):
        length = max((len(v) for v in given.values() if v is not None), default=0)
        marked: Any = {**given, _PLACE: list(range(length))}
    else:
        length = len(given)
        marked = [None if e is None else {**e, _PLACE: i} for i, e in enumerate(given)]
    widened = replace(field, fields=(*field.fields, Field(_PLACE, INT64.optional())))
    read = read_struct("", (widened,), {field.name: marked})
    return length, read[f".{field.name}.{_PLACE}"]
