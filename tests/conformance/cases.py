"""Reads `.case` files: what an expression gives for given values, one case a line.

    # a comment
    @vocab genres = ["drama", "war"]
    clip(x, 0, 5)       ; x: int64? = null                -> null
    x / y               ; x: float64 = 1.0, y: float64 = 0.0 -> null : float64?
    s.a + s.b           ; s.a: list<int64> = [1, 2], s.b: list<int64> = [3, 4] -> [4, 6]
    bucketize(1, [2, 1]) -> error "edges must ascend"

An expression, after `;` its variables with type and value, after `->` what comes out, to the bit, and after
`:` the type that the checker must infer. Variables with a dot are the fields of one sequence. `error "…"` is
a part of the message of the one mistake that the checker finds.

Values: `null true false 7 1.5 -0.0 inf -inf nan "text"` (escapes `\\n \\t \\" \\\\ \\u{1F600}`), `[…]`, maps
as `{"k": 1}`, timestamps as `2024-02-29T23:59:59.000001Z` or as microseconds. An integer is no float: a float
has a point, an exponent, or is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from featdsl.check.standard import standard_defs
from featdsl.types import Kind, Type, parse_type

FOLDER = Path(__file__).parent
EXAMPLE = "e.g. "
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Variable:
    """`name` has a dot when it is a field of a sequence."""

    name: str
    type: Type
    value: Any


@dataclass(frozen=True)
class Case:
    """`error` is set in place of `expected` where the checker must refuse."""

    file: Path
    line: int
    expression: str
    variables: tuple[Variable, ...] = ()
    expected: Any = None
    type: Type | None = None
    error: str | None = None
    vocabs: dict[str, tuple[Any, ...]] = field(default_factory=dict, hash=False)

    @property
    def operator(self) -> str:
        return self.file.stem

    @property
    def family(self) -> str:
        return self.file.parent.name

    @property
    def place(self) -> str:
        return f"{self.family}/{self.file.name}:{self.line}: {self.expression}"


def all_cases() -> list[Case]:
    """Every case of every family, and the standard library's examples. Errors: `ValueError` with file and line."""
    written = [case for path in sorted(FOLDER.glob("*/*.case")) for case in read_cases(path)]
    return [*written, *standard_examples()]


def standard_examples() -> Iterator[Case]:
    """What the documentation of each def of the standard library says that it gives: the lines `e.g. …`."""
    for name, declared in standard_defs().items():
        for number, line in enumerate(declared.doc.split("\n"), start=1):
            if line.startswith(EXAMPLE):
                path = FOLDER / "std" / f"{name}.case"
                yield read_case(line.removeprefix(EXAMPLE), path, number, {})


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of one file. Errors: `ValueError` with file and line."""
    vocabs: dict[str, tuple[Any, ...]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            if text.startswith("@vocab "):
                name, _, entries = text.removeprefix("@vocab ").partition("=")
                vocabs[name.strip()] = tuple(Values(entries).only())
            else:
                yield read_case(text, path, number, dict(vocabs))
        except ValueError as error:
            raise ValueError(f"{path.name}:{number}: {error}") from error


def read_case(text: str, path: Path, number: int, vocabs: dict[str, tuple[Any, ...]]) -> Case:
    """The case of one line. Errors: `ValueError`."""
    parts = _outside_strings(text, "->")
    if len(parts) < 2:
        raise ValueError("a case needs ` -> ` and a result")
    left, result = "->".join(parts[:-1]), Values(parts[-1])
    expression, *declared = _outside_strings(left, ";")
    variables = tuple(_variables(Values(declared[0]))) if declared else ()
    if result.take("error"):
        return Case(path, number, expression.strip(), variables, error=result.only(), vocabs=vocabs)
    expected = result.value()
    type = result.type_to_end() if result.take(":") else None
    result.end()
    return Case(path, number, expression.strip(), variables, expected, type, None, vocabs)


def _outside_strings(text: str, mark: str) -> list[str]:
    """`text` split at `mark`, but not within strings."""
    pieces = [""]
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|->|.', text):
        if token == mark:
            pieces.append("")
        else:
            pieces[-1] += token
    return pieces


def _variables(values: Values) -> Iterator[Variable]:
    while True:
        name = values.name()
        values.expect(":")
        type = parse_type(values.until("="))
        value = values.value()
        yield Variable(name, type, value)
        if not values.take(","):
            break
    values.end()


_TIME = re.compile(r"(-?)(\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z")
_NUMBER = re.compile(r"-?(?:inf|nan|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WORDS = {"null": None, "true": True, "false": False}


class Values:
    """A reader of values in a text."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()

    def take(self, mark: str) -> bool:
        if not self.text.startswith(mark):
            return False
        self.text = self.text[len(mark) :].lstrip()
        return True

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise ValueError(f"expected {mark!r} before {self.text!r}")

    def end(self) -> None:
        if self.text:
            raise ValueError(f"not understood: {self.text!r}")

    def until(self, mark: str) -> str:
        found, _, rest = self.text.partition(mark)
        self.text = rest.strip()
        return found

    def name(self) -> str:
        match = self._match(re.compile(r"[a-z_][\w.]*"))
        if match is None:
            raise ValueError(f"expected a name before {self.text!r}")
        return match[0]

    def type_to_end(self) -> Type:
        text, self.text = self.text, ""
        return parse_type(text)

    def only(self) -> Any:
        value = self.value()
        self.end()
        return value

    def value(self) -> Any:
        for word, value in _WORDS.items():
            if self.take(word):
                return value
        if self.take("["):
            return list(self._items("]", self.value))
        if self.take("{"):
            return dict(self._items("}", self._entry))
        if (match := self._match(_TIME)) is not None:
            return _microseconds(match)
        if (match := self._match(_NUMBER)) is not None:
            number = match[0].replace("_", "")
            return int(number) if number.removeprefix("-").isdecimal() else float(number)
        if (match := self._match(_STRING)) is not None:
            return _unescaped(match[1])
        raise ValueError(f"expected a value before {self.text!r}")

    def _items(self, end: str, item: Any) -> Iterator[Any]:
        while not self.take(end):
            yield item()
            if not self.take(","):
                self.expect(end)
                return

    def _entry(self) -> tuple[Any, Any]:
        key = self.value()
        self.expect(":")
        return key, self.value()

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text)
        if match is not None:
            self.text = self.text[match.end() :].lstrip()
        return match


def _microseconds(match: re.Match[str]) -> int:
    sign, year, month, day, hour, minute, second, fraction = match.groups()
    # datetime ends at the year 9999 and begins at 1; 400 years are always 146,097 days.
    eras, place = divmod(int(sign + year) - 1, 400)
    moment = datetime(place + 1, int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    whole = (moment - EPOCH) // timedelta(microseconds=1) + eras * 146_097 * 86_400_000_000
    return whole + int((fraction or "0").ljust(6, "0"))


_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _ESCAPES[match[2]]

    return re.sub(r"\\(?:u\{([0-9A-Fa-f]+)\}|(.))", character, text)


def fits(value: Any, type: Type) -> bool:
    """Whether a value can be of a type: integers and floats are told apart."""
    if value is None:
        return type.nullable or type.kind is Kind.NOTHING
    if type.kind is Kind.BOOL:
        return isinstance(value, bool)
    if type.kind in (Kind.FLOAT32, Kind.FLOAT64):
        return isinstance(value, float)
    if type.kind is Kind.STRING:
        return isinstance(value, str)
    if type.is_listlike:
        return isinstance(value, list) and all(fits(v, type.item) for v in value)
    if type.kind is Kind.MAP:
        return isinstance(value, dict) and all(fits(v, type.item) for v in value.values())
    return isinstance(value, int) and not isinstance(value, bool)
