"""Time zones as their transitions, from the machine's tz database."""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO

from featdsl.resources import Zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = int((datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
_LAST = int((datetime(2100, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
_STRIDE = 7 * 86_400
"""Seconds between looks at the years that a rule describes; its two changes a year lie further apart."""
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

    listed = _listed_instants(data)
    instants = {s for s in listed if _FIRST < s < _LAST}
    second = max([_FIRST, *listed])
    before = offset(min(second, _LAST))
    while second < _LAST:
        following = min(second + _STRIDE, _LAST)
        after = offset(following)
        if after != before:
            low, high = second, following
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            instants.add(high)
        second, before = following, after

    starts, offsets = [_FIRST], [offset(_FIRST)]
    for instant in sorted(instants):
        found = offset(instant)
        if found != offsets[-1]:
            starts.append(instant)
            offsets.append(found)
    return Zone(name, tuple(s * _SECOND_US for s in starts), tuple(o * _SECOND_US for o in offsets))


def _listed_instants(data: bytes) -> list[int]:
    """The instants that a TZif file lists (RFC 8536); a rule at its end describes the years after them."""
    header = struct.Struct(">4s c 15x 6I")
    _, version, is_ut, is_std, leaps, times, types, chars = header.unpack_from(data)
    if version == b"\0":
        return list(struct.unpack_from(f">{times}i", data, header.size))
    start = header.size + times * 5 + types * 6 + chars + leaps * 8 + is_std + is_ut
    times = header.unpack_from(data, start)[5]
    return list(struct.unpack_from(f">{times}q", data, start + header.size))
