"""Changes of inputs: bytes, words of a text, nodes of a JSON value."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_BYTES = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x80",
    b"(",
    b"[",
    b'"',
    b"\xf0\x9f\x98\x80",
    b"?",
)
_HEXADECIMAL = re.compile("(?:[0-9a-f]{2}){16,}")
_VALUES: Sequence[Any] = (
    None,
    True,
    0,
    -1,
    1 << 63,
    1e308,
    -0.5,
    "\ud800",
    "",
    "x",
    "vector<int64, 3>",
    [],
    {},
    [[]],
    "list<" * 20,
)


def change_bytes(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A few places changed, cut out, doubled, or replaced by a piece of another input."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(made) + 1), chance.randint(0, 8)
        other = chance.choice(others)
        start = chance.randrange(len(other) + 1)
        piece = chance.choice(
            [b"", chance.choice(_BYTES), bytes(made[at : at + size]) * 2, other[start : start + 16]]
        )
        made[at : at + size] = piece
    return bytes(made)


def change_words(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A text with some of its words moved, doubled, or taken from another."""
    words = re.findall(r"\w+|\s+|.", data.decode("utf-8", "replace"))
    more = re.findall(r"\w+|\s+|.", chance.choice(others).decode("utf-8", "replace")) or ["x"]
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(words) + 1)
        start = chance.randrange(len(more))
        words[at : at + chance.randint(0, 3)] = more[start : start + chance.randint(0, 4)]
    return "".join(words).encode("utf-8", "replace")


def change_json(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A JSON value with a node changed, dropped, doubled, or put in another's place; of bytes in hexadecimal some."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return change_bytes(data, others, chance)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(value))
        if not places:
            break
        holder, key = chance.choice(places)
        from_holder, from_key = chance.choice(places)
        kind = chance.randrange(4)
        if isinstance(holder[key], str) and _HEXADECIMAL.fullmatch(holder[key]) and chance.random() < 0.9:
            holder[key] = change_bytes(bytes.fromhex(holder[key]), others, chance).hex()
        elif kind == 0:
            holder[key] = chance.choice(_VALUES)
        elif kind == 1:
            holder[key] = json.loads(json.dumps(from_holder[from_key]))
        elif kind == 2:
            del holder[key]
        elif isinstance(holder[key], int):
            holder[key] += chance.choice([-1, 1, 1000])
    return json.dumps(value).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value: what holds it, and its key."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = (
            list(holder)
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else []
        )
        found += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]
    return found


CHANGES: Mapping[str, Callable[[bytes, Sequence[bytes], random.Random], bytes]] = {
    "check": change_words,
    "state": change_json,
    "bundle": change_json,
    "program": change_bytes,
    "rows": change_bytes,
}
"""By target: the change that reaches deepest."""
