"""JSON as RFC 8259 has it, nothing more: a reader that keeps each value's text, and paths into a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

DEEPEST = 100
"""Lists and objects within each other."""

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = re.compile(r"[0-9a-fA-F]{4}")


@dataclass(frozen=True, slots=True)
class Json:
    """`kind` is null, bool, number, string, list or object; `raw` the text as it stands; `value` a string's text, a
    bool, a list's or object's values."""

    kind: str
    raw: str
    value: Any = None

    def text(self) -> str | None:
        """A string's text, null for null, everything else as it is written."""
        if self.kind == "null":
            return None
        return str(self.value) if self.kind == "string" else self.raw


class _Reader:
    """Errors of all methods: `ValueError` for what is no JSON."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, mark: str) -> bool:
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise ValueError(f"expected {mark}")

    def whole(self) -> Json:
        found = self.value(0)
        if self.at != len(self.text):
            raise ValueError("text after the value")
        return found

    def value(self, depth: int) -> Json:
        self.space()
        start = self.at
        kind, value = self._bare(depth)
        found = Json(kind, self.text[start : self.at], value)
        self.space()
        return found

    def _bare(self, depth: int) -> tuple[str, Any]:
        if self.next() == '"':
            return "string", self.string()
        if self.next() in ("[", "{") and depth == DEEPEST:
            raise ValueError("too deep")
        if self.take("["):
            return "list", self._list(depth + 1)
        if self.take("{"):
            return "object", self._object(depth + 1)
        for word, kind, value in (("null", "null", None), ("true", "bool", True), ("false", "bool", False)):
            if self.take(word):
                return kind, value
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise ValueError("no value")
        self.at = match.end()
        return "number", None

    def _list(self, depth: int) -> list[Json]:
        values: list[Json] = []
        self.space()
        if self.take("]"):
            return values
        while True:
            values.append(self.value(depth))
            if self.take("]"):
                return values
            self.expect(",")

    def _object(self, depth: int) -> dict[str, Json]:
        values: dict[str, Json] = {}
        self.space()
        if self.take("}"):
            return values
        while True:
            self.space()
            key = self.string()
            self.space()
            self.expect(":")
            values[key] = self.value(depth)
            if self.take("}"):
                return values
            self.expect(",")

    def string(self) -> str:
        self.expect('"')
        parts: list[str] = []
        while True:
            match = _PLAIN.match(self.text, self.at)
            assert match is not None
            parts.append(match[0])
            self.at = match.end()
            if self.take('"'):
                # a pair of escaped surrogates is one code point; one alone is none
                return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            self.expect("\\")
            escape = self.next()
            self.at += 1
            if escape == "u":
                code = _HEX.match(self.text, self.at)
                if code is None:
                    raise ValueError("four digits follow \\u")
                self.at = code.end()
                parts.append(chr(int(code[0], 16)))
            elif escape in _ESCAPES and escape:
                parts.append(_ESCAPES[escape])
            else:
                raise ValueError("no such escape")


def parsed(text: str) -> Json | None:
    """The value, or None for a text that is not JSON."""
    try:
        return _Reader(text).whole()
    except ValueError:
        return None


Step = str | int

_KEY = re.compile(r"""\.([^\s.\[\]"'*]+)""")
_INDEX = re.compile(r"\[([0-9]{1,9})\]")


def path_of(text: str) -> list[Step]:
    """The steps of a path like `$.a["b c"][0]`. Errors: `ValueError` with what is wrong."""
    if not text.startswith("$"):
        raise ValueError(f"a path begins with $, found {text}")
    steps: list[Step] = []
    at = 1
    while at < len(text):
        if (match := _KEY.match(text, at)) is not None:
            steps.append(match[1])
            at = match.end()
        elif (match := _INDEX.match(text, at)) is not None:
            steps.append(int(match[1]))
            at = match.end()
        elif text.startswith('["', at):
            reader = _Reader(text)
            reader.at = at + 1
            try:
                steps.append(reader.string())
                reader.expect("]")
            except ValueError:
                raise ValueError(f'a name in a path is written ["name"], found {text[at:]}') from None
            at = reader.at
        else:
            raise ValueError(f'a step of a path is .name, ["name"] or [0], found {text[at:]}')
    return steps


def found(text: str, path: str) -> Json | None:
    """What stands at a path; None where nothing does, and for a text that is not JSON."""
    value = parsed(text)
    for step in path_of(path):
        if value is None:
            return None
        if isinstance(step, int):
            value = value.value[step] if value.kind == "list" and step < len(value.value) else None
        else:
            value = value.value.get(step) if value.kind == "object" else None
    return value
