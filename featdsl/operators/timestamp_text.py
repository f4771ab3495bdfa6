"""Timestamps as text, for `parse_timestamp` and `format_timestamp`: patterns of `%` and a letter, and ISO 8601."""

from __future__ import annotations

from collections.abc import Sequence

from featdsl.operators.math import wrap
from featdsl.operators.time import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    civil,
    days_of,
    instant,
    month_length,
)
from featdsl.resources import Zone

WRITTEN = "YmdHMSfjz"
READ = "YmdHMSfz"

Item = tuple[str, str]
"""A letter and nothing, or nothing and a literal character."""


def items_of(pattern: str) -> list[Item]:
    """The parts of a pattern. Errors: `ValueError` with what is wrong."""
    items: list[Item] = []
    at = 0
    while at < len(pattern):
        if pattern[at] != "%":
            items.append(("", pattern[at]))
            at += 1
            continue
        letter = pattern[at + 1 : at + 2]
        if letter == "":
            raise ValueError("a `%` at the end of a pattern is written `%%`")
        if letter != "%" and letter not in WRITTEN:
            raise ValueError(f"a pattern has %Y %m %d %H %M %S %f %j %z %%, found %{letter}")
        items.append(("", "%") if letter == "%" else (letter, ""))
        at += 2
    return items


def written(at: int, items: Sequence[Item], zone: Zone) -> str:
    offset = zone.offset_at(at)
    days, of_day = divmod(at + offset, DAY_US)
    year, month, day = civil(days)
    minutes = abs(offset) // MINUTE_US
    parts = {
        "Y": f"{'-' if year < 0 else ''}{abs(year):04}",
        "m": f"{month:02}",
        "d": f"{day:02}",
        "H": f"{of_day // HOUR_US:02}",
        "M": f"{of_day % HOUR_US // MINUTE_US:02}",
        "S": f"{of_day % MINUTE_US // SECOND_US:02}",
        "f": f"{of_day % SECOND_US:06}",
        "j": f"{days - days_of(year, 1, 1) + 1:03}",
        "z": f"{'-' if offset < 0 else '+'}{minutes // 60:02}{minutes % 60:02}",
    }
    return "".join(parts[letter] if letter else literal for letter, literal in items)


class Reader:
    """Reads a text from its start, and remembers whether it went wrong."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.wrong = False

    def at_end(self) -> bool:
        return self.at == len(self.text)

    def take(self, literal: str) -> bool:
        """Goes past the literal if it is next."""
        found = self.text.startswith(literal, self.at)
        self.at += len(literal) if found else 0
        return found

    def digits(self, least: int, most: int) -> str:
        end = self.at
        while end < min(len(self.text), self.at + most) and self.text[end] in "0123456789":
            end += 1
        found = self.text[self.at : end]
        if len(found) < least:
            self.wrong = True
            return "0"
        self.at = end
        return found

    def number(self, least: int, most: int) -> int:
        return int(self.digits(least, most))

    def micros(self) -> int:
        """A fraction of a second of 1 to 9 digits, cut to six."""
        return int(self.digits(1, 9)[:6].ljust(6, "0"))

    def offset(self) -> int | None:
        """`Z`, `+05`, `+0530` or `+05:30` in microseconds; None where there is none of these."""
        if self.take("Z"):
            return 0
        if self.text[self.at : self.at + 1] not in ("+", "-"):
            return None
        sign = 1 if self.take("+") else -1
        self.take("-")
        hours = self.number(2, 2)
        rest = self.text[self.at :]
        minutes = 0
        if len(rest) >= 3 and rest[0] == ":" and all(c in "0123456789" for c in rest[1:3]):
            self.take(":")
            minutes = self.number(2, 2)
        elif len(rest) >= 2 and all(c in "0123456789" for c in rest[:2]):
            minutes = self.number(2, 2)
        self.wrong |= hours > 23 or minutes > 59
        return sign * (hours * HOUR_US + minutes * MINUTE_US)


def read(text: str, items: Sequence[Item], zone: Zone) -> int | None:
    """The timestamp of a text that is wholly as the pattern says."""
    reader = Reader(text)
    found = {"Y": 1970, "m": 1, "d": 1, "H": 0, "M": 0, "S": 0, "f": 0}
    offset: int | None = None
    for letter, literal in items:
        if letter == "":
            reader.wrong |= not reader.take(literal)
        elif letter == "z":
            offset = reader.offset()
            reader.wrong |= offset is None
        elif letter == "f":
            found["f"] = reader.micros()
        else:
            found[letter] = reader.number(4, 4) if letter == "Y" else reader.number(1, 2)
        if reader.wrong:
            return None
    return _timestamp(list(found.values()), offset, zone) if reader.at_end() else None


def read_iso(text: str, zone: Zone) -> int | None:
    """`2024-02-29`, then perhaps `T` or a space and `18:30`, then perhaps `:59`, then perhaps a fraction; then perhaps
    `Z` or an offset."""
    reader = Reader(text)
    found = [reader.number(4, 4), 1, 1, 0, 0, 0, 0]
    offset: int | None = None
    for part in (1, 2):
        reader.wrong |= not reader.take("-")
        found[part] = reader.number(2, 2)
    if not reader.at_end():
        reader.wrong |= not (reader.take("T") or reader.take(" "))
        found[3] = reader.number(2, 2)
        reader.wrong |= not reader.take(":")
        found[4] = reader.number(2, 2)
        if reader.take(":"):
            found[5] = reader.number(2, 2)
            if reader.take(".") or reader.take(","):
                found[6] = reader.micros()
        offset = reader.offset()
    if reader.wrong or not reader.at_end():
        return None
    return _timestamp(found, offset, zone)


def _timestamp(parts: Sequence[int], offset: int | None, zone: Zone) -> int | None:
    year, month, day, hour, minute, second, micros = parts
    if not (1 <= month <= 12 and 1 <= day <= month_length(year, month)):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    local = (
        days_of(year, month, day) * DAY_US + hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + micros
    )
    return wrap(instant(local, zone) if offset is None else local - offset)
