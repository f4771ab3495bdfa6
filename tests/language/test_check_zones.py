"""Zones as transitions, against the standard library's reading of the tz database."""

from __future__ import annotations

import random
import struct
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from featdsl.check.zones import UTC_ZONE, _offsets_by_rule, zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = int((datetime(1900, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
LAST = int((datetime(2100, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())


@pytest.mark.parametrize(
    "name",
    ["Asia/Shanghai", "America/New_York", "Europe/Dublin", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kolkata",
     "Pacific/Apia", "America/Caracas", "Europe/London", "Etc/GMT+5", "America/Nuuk", "Asia/Gaza", "America/Havana"],
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


@pytest.mark.parametrize(
    "rule",
    ["EST5EDT,M3.2.0,M11.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
     "XST-3:30:15XDT-4,J60/0,J300/24", "GHI-12JKL,M10.1.0,M2.5.6/167", "PLAIN-5:45"],
)  # fmt: skip
def test_rules_for_the_years_that_are_not_listed(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = struct.pack(">4s c 15x 6I", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    kind = struct.pack(">i??4s", 0, False, False, b"ABC\0")[:6] + b"ABC\0"
    (tmp_path / "Rule").write_bytes((header + kind) * 2 + f"\n{rule}\n".encode())
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path),))
    zone.cache_clear()
    found = zone("Rule")
    zone.cache_clear()
    assert found is not None
    with (tmp_path / "Rule").open("rb") as file:
        info = ZoneInfo.from_file(file)
    chance = random.Random(rule)
    seconds = [chance.randrange(FIRST, LAST) for _ in range(3000)]
    seconds += [s // 1_000_000 + d for s in found.starts for d in (-1, 0) if s // 1_000_000 > FIRST]
    for second in seconds:
        wanted = (EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()
        assert (
            timedelta(microseconds=found.offsets[bisect_right(found.starts, second * 1_000_000) - 1])
            == wanted
        )


def test_a_rule_may_count_the_days_of_the_year_from_0() -> None:
    found = _offsets_by_rule("ABC1DEF,58,J59/3:15:30")
    for year in (2050, 2052):
        begin = datetime(year, 2, 28, 2 + 1, tzinfo=UTC)
        end = datetime(year, 2, 28, 3, 15, 30, tzinfo=UTC)
        assert found[int(begin.timestamp())] == 0
        assert found[int(end.timestamp())] == -3600
