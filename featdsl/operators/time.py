"""Parts of a timestamp in a time zone, the beginnings of days and other units, and lengths of time.

A timestamp is an int64 of microseconds since 1970-01-01 in UTC. The calendar is the proleptic Gregorian, over
the whole range (years -290308 to 294247), which Python's datetime does not reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.math import wrap
from featdsl.resources import Zone

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

_DAYS_OF_400_YEARS = 146_097
_DAYS_TO_MARCH_OF_YEAR_0 = 719_468
"""From 0000-03-01 to 1970-01-01."""


def _local(at: int, zone: Zone) -> int:
    """Microseconds since 1970-01-01 00:00 on the zone's clocks."""
    return at + zone.offset_at(at)


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of the day `days` after 1970-01-01.

    Years are counted from March, so that the leap day is a year's last and the months' lengths follow one
    rule: five months are 153 days.
    """
    era, day_of_era = divmod(days + _DAYS_TO_MARCH_OF_YEAR_0, _DAYS_OF_400_YEARS)
    leap_days = day_of_era // 1460 - day_of_era // 36524 + day_of_era // 146096
    year_of_era = (day_of_era - leap_days) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return year_of_era + era * 400 + (month <= 2), month, day


def days_of(year: int, month: int, day: int) -> int:
    """The days from 1970-01-01 to a date; the day may be past its month's end."""
    years = year - (month <= 2)
    era, year_of_era = divmod(years, 400)
    day_of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_OF_400_YEARS + day_of_era - _DAYS_TO_MARCH_OF_YEAR_0


def month_length(year: int, month: int) -> int:
    return days_of(year, month + 1, 1) - days_of(year, month, 1) if month < 12 else 31


def instant(local: int, zone: Zone, *, first: bool = False) -> int:
    """The moment when a zone's clocks show `local` microseconds since 1970-01-01 00:00, the earlier of two.

    What the clocks skip is read as if they had not been put forward; with `first` it is the moment when they were.
    """
    index = 0
    while index + 1 < len(zone.starts) and local >= zone.starts[index + 1] + zone.offsets[index]:
        index += 1
    at = local - zone.offsets[index]
    if index > 0 and at < zone.starts[index]:
        return zone.starts[index] if first else local - zone.offsets[index - 1]
    return at


@operator(
    'year(at: timestamp, zone: const zone = "UTC") -> int64', examples={"year(timestamp_seconds(0))": 1970}
)
def year(at: int, zone: Zone) -> int:
    """The calendar year; year 0 is the one before year 1."""
    return civil(_local(at, zone) // DAY_US)[0]


@operator(
    'month(at: timestamp, zone: const zone = "UTC") -> int64', examples={"month(timestamp_seconds(0))": 1}
)
def month(at: int, zone: Zone) -> int:
    """The month, 1 to 12."""
    return civil(_local(at, zone) // DAY_US)[1]


@operator('day(at: timestamp, zone: const zone = "UTC") -> int64', examples={"day(timestamp_seconds(0))": 1})
def day(at: int, zone: Zone) -> int:
    """The day of the month, 1 to 31."""
    return civil(_local(at, zone) // DAY_US)[2]


@operator(
    'hour(at: timestamp, zone: const zone = "UTC") -> int64',
    examples={
        "hour(timestamp_seconds(3600))": 1,
        'hour(timestamp_seconds(0), zone: "Asia/Shanghai")': 8,
    },
)
def hour(at: int, zone: Zone) -> int:
    """The hour of the day, 0 to 23."""
    return _local(at, zone) % DAY_US // HOUR_US


@operator(
    'minute(at: timestamp, zone: const zone = "UTC") -> int64', examples={"minute(timestamp_seconds(90))": 1}
)
def minute(at: int, zone: Zone) -> int:
    """The minute of the hour, 0 to 59."""
    return _local(at, zone) % HOUR_US // MINUTE_US


@operator(
    'weekday(at: timestamp, zone: const zone = "UTC") -> int64', examples={"weekday(timestamp_seconds(0))": 3}
)
def weekday(at: int, zone: Zone) -> int:
    """The day of the week, 0 for Monday to 6 for Sunday."""
    return (_local(at, zone) // DAY_US + 3) % 7


@operator(
    'second(at: timestamp, zone: const zone = "UTC") -> int64', examples={"second(timestamp_seconds(75))": 15}
)
def second(at: int, zone: Zone) -> int:
    """The second of the minute, 0 to 59."""
    return _local(at, zone) % MINUTE_US // SECOND_US


@operator("millisecond(at: timestamp) -> int64", examples={"millisecond(timestamp_millis(75_042))": 42})
def millisecond(at: int) -> int:
    """The millisecond of the second, 0 to 999."""
    return at % SECOND_US // 1_000


@operator(
    'day_of_year(at: timestamp, zone: const zone = "UTC") -> int64',
    examples={"day_of_year(timestamp_seconds(0))": 1},
)
def day_of_year(at: int, zone: Zone) -> int:
    """The day of the year, 1 to 366."""
    days = _local(at, zone) // DAY_US
    return days - days_of(civil(days)[0], 1, 1) + 1


@operator(
    'week_of_year(at: timestamp, zone: const zone = "UTC") -> int64',
    examples={"week_of_year(timestamp_seconds(0))": 1},
)
def week_of_year(at: int, zone: Zone) -> int:
    """The week of ISO 8601, 1 to 53: weeks begin on Monday, and week 1 is the one with the year's first Thursday."""
    days = _local(at, zone) // DAY_US
    thursday = days - (days + 3) % 7 + 3
    return (thursday - days_of(civil(thursday)[0], 1, 1)) // 7 + 1


@operator(
    'quarter(at: timestamp, zone: const zone = "UTC") -> int64', examples={"quarter(timestamp_seconds(0))": 1}
)
def quarter(at: int, zone: Zone) -> int:
    """The quarter of the year, 1 to 4."""
    return (civil(_local(at, zone) // DAY_US)[1] + 2) // 3


@operator(
    'days_in_month(at: timestamp, zone: const zone = "UTC") -> int64',
    examples={"days_in_month(timestamp_seconds(0))": 31},
)
def days_in_month(at: int, zone: Zone) -> int:
    """How many days the month has, 28 to 31."""
    year, month, _ = civil(_local(at, zone) // DAY_US)
    return month_length(year, month)


@operator(
    'date(year: int64, month: int64, day: int64, zone: const zone = "UTC") -> timestamp?',
    examples={
        "int64(date(1970, 1, 2))": 86_400_000_000,
        "int64(date(2023, 2, 29))": None,
        'int64(date(1970, 1, 1, zone: "Asia/Shanghai"))': -28_800_000_000,
    },
)
def date(year: int, month: int, day: int, zone: Zone) -> int | None:
    """The first moment of a day; null if the calendar has no such day, or no timestamp reaches it."""
    if not (-300_000 < year < 300_000 and 1 <= month <= 12 and 1 <= day <= month_length(year, month)):
        return None
    at = instant(days_of(year, month, day) * DAY_US, zone, first=True)
    return at if wrap(at) == at else None


UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_LENGTHS = {"second": SECOND_US, "minute": MINUTE_US, "hour": HOUR_US}


def _unit_error(constants: Mapping[str, Any]) -> str | None:
    unit = constants["unit"]
    return None if unit in UNITS else f"a unit is one of {', '.join(UNITS)}, found {unit}"


@operator(
    'truncate(at: timestamp, unit: const string, zone: const zone = "UTC") -> timestamp',
    validate=_unit_error,
    otherwise="take",
    examples={
        'int64(truncate(timestamp_seconds(100), "minute"))': 60_000_000,
        'truncate(timestamp_seconds(100_000), "day") == date(1970, 1, 2)': True,
        "truncate([5, 6, 7], 2)": [5, 6],
    },
)
def truncate(at: int, unit: str, zone: Zone) -> int:
    """The first moment of the second, minute, hour, day, week, month, quarter or year that the time lies in, on the
    zone's clocks. Weeks begin on Monday.

    Of an hour that the clocks show twice it is the one that the time lies in. Before the first moment of the first
    unit that int64 reaches it wraps.

    `truncate(list, n)` is `take(list, n)`. (A number is cut by `trunc`, a text by `substr`.)
    """
    local = _local(at, zone)
    if unit in _LENGTHS:
        return wrap(at - local % _LENGTHS[unit])
    days = local // DAY_US
    year, month, day = civil(days)
    if unit == "week":
        days -= (days + 3) % 7
    elif unit == "month":
        days -= day - 1
    elif unit == "quarter":
        days = days_of(year, month - (month - 1) % 3, 1)
    elif unit == "year":
        days = days_of(year, 1, 1)
    return wrap(instant(days * DAY_US, zone, first=True))


@operator("weeks(n: int64) -> int64", examples={"weeks(1)": 604_800_000_000})
def weeks(n: int) -> int:
    """The microseconds of `n` weeks of 7 days; wraps on overflow."""
    return wrap(n * 7 * DAY_US)


@operator("days(n: int64) -> int64", examples={"days(1)": 86_400_000_000})
def days(n: int) -> int:
    """The microseconds of `n` days of 24 hours; wraps on overflow."""
    return wrap(n * DAY_US)


@operator("hours(n: int64) -> int64", examples={"hours(1)": 3_600_000_000})
def hours(n: int) -> int:
    """The microseconds of `n` hours; wraps on overflow."""
    return wrap(n * HOUR_US)


@operator("minutes(n: int64) -> int64", examples={"minutes(1)": 60_000_000})
def minutes(n: int) -> int:
    """The microseconds of `n` minutes; wraps on overflow."""
    return wrap(n * MINUTE_US)


@operator("seconds(n: int64) -> int64", examples={"seconds(1)": 1_000_000})
def seconds(n: int) -> int:
    """The microseconds of `n` seconds; wraps on overflow."""
    return wrap(n * SECOND_US)


@operator("milliseconds(n: int64) -> int64", examples={"milliseconds(1)": 1_000})
def milliseconds(n: int) -> int:
    """The microseconds of `n` milliseconds; wraps on overflow."""
    return wrap(n * 1_000)


@operator("timestamp_seconds(n: int64) -> timestamp", examples={"int64(timestamp_seconds(2))": 2_000_000})
def timestamp_seconds(n: int) -> int:
    """The timestamp `n` seconds after 1970-01-01 00:00 UTC; wraps on overflow."""
    return wrap(n * SECOND_US)


@operator("timestamp_millis(n: int64) -> timestamp", examples={"int64(timestamp_millis(2))": 2_000})
def timestamp_millis(n: int) -> int:
    """The timestamp `n` milliseconds after 1970-01-01 00:00 UTC; wraps on overflow."""
    return wrap(n * 1_000)


@operator("timestamp_micros(n: int64) -> timestamp", examples={"int64(timestamp_micros(2))": 2})
def timestamp_micros(n: int) -> int:
    """The timestamp `n` microseconds after 1970-01-01 00:00 UTC."""
    return n
