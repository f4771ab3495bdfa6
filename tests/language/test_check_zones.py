"""Zones as transitions, against the standard library's reading of the tz database."""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from featdsl.check.zones import UTC_ZONE, zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = int((datetime(1900, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
LAST = int((datetime(2100, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())


@pytest.mark.parametrize(
    "name",
    ["Asia/Shanghai", "America/New_York", "Europe/Dublin", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kolkata",
     "Pacific/Apia", "America/Caracas", "Europe/London", "Etc/GMT+5"],
)  # fmt: skip
def test_offsets(name: str) -> None:
    found = zone(name)
    assert found is not None
    info = ZoneInfo(name)
    chance = random.Random(name)
    seconds = [chance.randrange(FIRST, LAST) for _ in range(500)]
    seconds += [s // 1_000_000 + d for s in found.starts for d in (-1, 0) if s // 1_000_000 > FIRST]
    for second in seconds:
        wanted = (EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()
        index = bisect_right(found.starts, second * 1_000_000) - 1
        assert timedelta(microseconds=found.offsets[index]) == wanted


def test_utc_and_what_is_no_zone() -> None:
    assert zone("UTC") is UTC_ZONE
    assert UTC_ZONE.offsets == (0,)
    for name in ("", "Nowhere/Town", "../etc/passwd", "/etc/localtime", "Europe", "a\0b", "Zürich"):
        assert zone(name) is None
