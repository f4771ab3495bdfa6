"""Parts of a timestamp in a time zone, and lengths of time.

A timestamp is an int64 of microseconds since 1970-01-01 in UTC. The calendar is the proleptic Gregorian, over
the whole range (years -290308 to 294247), which Python's datetime does not reach.
"""

from __future__ import annotations

from bisect import bisect_right

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
    index = bisect_right(zone.starts, at) - 1
    return at + zone.offsets[index if index > 0 else 0]


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


@operator("timestamp_seconds(n: int64) -> timestamp", examples={"int64(timestamp_seconds(2))": 2_000_000})
def timestamp_seconds(n: int) -> int:
    """The timestamp `n` seconds after 1970-01-01 00:00 UTC; wraps on overflow."""
    return wrap(n * SECOND_US)


@operator("timestamp_millis(n: int64) -> timestamp", examples={"int64(timestamp_millis(2))": 2_000})
def timestamp_millis(n: int) -> int:
    """The timestamp `n` milliseconds after 1970-01-01 00:00 UTC; wraps on overflow."""
    return wrap(n * 1_000)
