"""Time zones as their transitions, from the machine's tz database."""

from __future__ import annotations

import os
import re
import struct
from datetime import UTC, date, datetime, timedelta
from functools import cache
from io import BytesIO

from featdsl.resources import Zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = int((datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
_LAST = int((datetime(2100, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
_SECOND_US = 1_000_000

UTC_ZONE = Zone("UTC", (_FIRST * _SECOND_US,), (0,))


@cache
def zone(name: str) -> Zone | None:
    """The zone with its transitions from 1900 to 2100, or None if there is no such zone."""
    if name == "UTC":
        return UTC_ZONE
    data = _database_entry(name)
    return None if data is None else _transitions(name, data)


def zone_names() -> set[str]:
    """The zones that the machine knows."""
    from zoneinfo import available_timezones

    return available_timezones()


def _database_entry(name: str) -> bytes | None:
    from zoneinfo import TZPATH

    parts = name.split("/")
    odd = not name.isascii() or not name.isprintable() or "\\" in name
    if odd or any(p in ("", ".", "..") for p in parts):
        return None
    for folder in TZPATH:
        try:
            with open(os.path.join(folder, *parts), "rb") as file:
                data = file.read()
        except OSError:
            continue
        if data[:4] == b"TZif":
            return data
    try:
        from importlib.resources import files

        data = files("tzdata").joinpath("zoneinfo", *parts).read_bytes()
    except (ImportError, OSError):
        return None
    return data if data[:4] == b"TZif" else None


def _transitions(name: str, data: bytes) -> Zone:
    from zoneinfo import ZoneInfo

    info = ZoneInfo.from_file(BytesIO(data), name)

    def offset(second: int) -> int:
        local = (_EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()
        return 0 if local is None else round(local.total_seconds())

    listed, footer = _listed_instants(data)
    last = max(listed, default=_FIRST)
    ruled = {instant: found for instant, found in _offsets_by_rule(footer).items() if instant > last}
    instants = {s for s in (*listed, *ruled) if _FIRST < s < _LAST}
    starts, offsets = [_FIRST], [offset(_FIRST)]
    for instant in sorted(instants):
        found = ruled[instant] if instant in ruled else offset(instant)
        if found != offsets[-1]:
            starts.append(instant)
            offsets.append(found)
    return Zone(name, tuple(s * _SECOND_US for s in starts), tuple(o * _SECOND_US for o in offsets))


def _listed_instants(data: bytes) -> tuple[list[int], str]:
    """The instants that a TZif file lists (RFC 8536), and the rule at its end for the years after them."""
    header = struct.Struct(">4s c 15x 6I")
    _, version, is_ut, is_std, leaps, times, types, chars = header.unpack_from(data)
    if version == b"\0":
        return list(struct.unpack_from(f">{times}i", data, header.size)), ""
    start = header.size + times * 5 + types * 6 + chars + leaps * 8 + is_std + is_ut
    _, _, is_ut, is_std, leaps, times, types, chars = header.unpack_from(data, start)
    start += header.size
    listed = list(struct.unpack_from(f">{times}q", data, start))
    end = start + times * 9 + types * 6 + chars + leaps * 12 + is_std + is_ut
    return listed, data[end:].decode("ascii", "replace").strip()


_CLOCK = r"[+-]?\d+(?::\d+)*"
_RULE = rf"""
    (?:<[^>]+>|[A-Za-z]+) (?P<standard>{_CLOCK})  (?:<[^>]+>|[A-Za-z]+) (?P<summer>{_CLOCK})?
    , (?P<begin>[MJ\d.]+) (?:/(?P<begin_time>{_CLOCK}))?  , (?P<end>[MJ\d.]+) (?:/(?P<end_time>{_CLOCK}))?
"""


def _offsets_by_rule(text: str) -> dict[int, int]:
    """When summer time begins and ends in each year by POSIX's `TZ`, such as `CET-1CEST,M3.5.0,M10.5.0/3`, with the
    offset from then on; none where the rule has no summer time."""
    rule = re.fullmatch(_RULE, text, re.VERBOSE)
    if rule is None:
        return {}
    standard = _seconds(rule["standard"])
    summer = _seconds(rule["summer"]) if rule["summer"] else standard - 3600
    begin, end = _seconds(rule["begin_time"] or "2") + standard, _seconds(rule["end_time"] or "2") + summer
    found = {}
    for year in range(1900, 2101):
        found[_day(year, rule["begin"]) + begin] = -summer
        found[_day(year, rule["end"]) + end] = -standard
    return found


def _seconds(clock: str) -> int:
    """`-1:30` in seconds. West of Greenwich is positive in POSIX's rules."""
    parts = [int(part) for part in clock.lstrip("+-").split(":")]
    total = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    return -total if clock.startswith("-") else total


def _day(year: int, which: str) -> int:
    """The first second of a rule's day, as if in UTC: `M10.5.0` is the last Sunday of October, `J60` always March 1,
    `59` the day of the year from 0."""
    if which.startswith("M"):
        month, week, weekday = map(int, which[1:].split("."))
        first = (date(year, month, 1).isoweekday() - weekday) % 7
        day = date(year, month, 1).toordinal() + (7 - first) % 7 + 7 * (week - 1)
        following = date(year + month // 12, month % 12 + 1, 1).toordinal()
        day -= 7 if day >= following else 0
    elif which.startswith("J"):
        leap_day = int(which[1:]) >= 60 and date(year, 3, 1) - date(year, 2, 28) == timedelta(days=2)
        day = date(year, 1, 1).toordinal() + int(which[1:]) - 1 + leap_day
    else:
        day = date(year, 1, 1).toordinal() + int(which)
    return (day - _EPOCH.toordinal()) * 86_400
