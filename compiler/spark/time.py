"""Parts of a timestamp (bigint microseconds) in Spark SQL. Days and time of day are apart, so that no zone's
offset overflows; the zone's transitions are a tree of comparisons. The calendar is Java's."""

from __future__ import annotations

from collections.abc import Callable

from compiler.spark.lowering import Call, lowering, rows
from compiler.spark.sql import floor_div, integer, piecewise
from featdsl.operators.time import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from featdsl.resources import Zone

rows(
    {
        "days": f"{{0}} * {DAY_US}L",
        "hours": f"{{0}} * {HOUR_US}L",
        "minutes": f"{{0}} * {MINUTE_US}L",
        "seconds": f"{{0}} * {SECOND_US}L",
        "timestamp_seconds": f"{{0}} * {SECOND_US}L",
        "timestamp_millis": "{0} * 1000L",
        "timestamp_micros": "{0}",
        "milliseconds": "{0} * 1000L",
        "weeks": f"{{0}} * {7 * DAY_US}L",
        "millisecond": f"pmod({{0}}, {SECOND_US}L) div 1000L",
    }
)


def _since_midnight_utc(call: Call) -> str:
    """Microseconds of the zone's clocks since the UTC day began: may be negative, or more than a day."""
    at, zone = call.args[0], call.attributes["zone"]
    assert isinstance(zone, Zone)
    of_day = f"pmod({at}, {DAY_US}L)"
    if len(zone.offsets) == 1:
        return of_day if zone.offsets[0] == 0 else f"({of_day} + {integer(zone.offsets[0])})"
    starts = [integer(start) for start in zone.starts[1:]]
    offset = piecewise(at, starts, [integer(offset) for offset in zone.offsets])
    return f"({of_day} + {offset})"


def _local_day(call: Call) -> str:
    return f"({floor_div(call.args[0], DAY_US)} + {floor_div(_since_midnight_utc(call), DAY_US)})"


def _local_date(call: Call) -> str:
    return f"date_from_unix_date(cast({_local_day(call)} as int))"


def _date(function: str) -> Callable[[Call], str]:
    def lower(call: Call) -> str:
        return f"cast({function}({_local_date(call)}) as bigint)"

    return lower


lowering("year")(_date("year"))
lowering("month")(_date("month"))
lowering("day")(_date("day"))
lowering("quarter")(_date("quarter"))
lowering("day_of_year")(_date("dayofyear"))
lowering("week_of_year")(_date("weekofyear"))


@lowering("days_in_month")
def days_in_month(call: Call) -> str:
    return f"cast(day(last_day({_local_date(call)})) as bigint)"


@lowering("weekday")
def weekday(call: Call) -> str:
    return f"pmod({_local_day(call)} + 3L, 7L)"


@lowering("hour")
def hour(call: Call) -> str:
    return f"pmod({_since_midnight_utc(call)}, {DAY_US}L) div {HOUR_US}L"


@lowering("minute")
def minute(call: Call) -> str:
    return f"pmod({_since_midnight_utc(call)}, {HOUR_US}L) div {MINUTE_US}L"


@lowering("second")
def second(call: Call) -> str:
    return f"pmod({_since_midnight_utc(call)}, {MINUTE_US}L) div {SECOND_US}L"


_LENGTHS = {"second": SECOND_US, "minute": MINUTE_US, "hour": HOUR_US, "day": DAY_US}


@lowering("truncate")
def truncate(call: Call) -> str:
    """From days on, the zone has one offset; the others are fall-backs."""
    at, unit, zone = call.args[0], call.attributes["unit"], call.attributes["zone"]
    if unit in _LENGTHS:
        return f"{at} - pmod({_since_midnight_utc(call)}, {_LENGTHS[unit]}L)"
    first = f"cast(unix_date(trunc({_local_date(call)}, '{unit}')) as bigint)"
    return f"{first} * {DAY_US}L - {integer(zone.offsets[0])}"


_LAST_DAY = (2**63 - 1) // DAY_US


@lowering("date")
def date(call: Call) -> str:
    """In UTC; other zones are fall-backs. The ranges keep the parts within Spark's 32 bits. Spark may make the date
    whatever the year is, and fails where its days pass 32 bits: so it gets no such year."""
    year, month, day = call.args
    in_reach = f"{year} between -299999L and 299999L"
    made = f"make_date(cast(if({in_reach}, {year}, 0L) as int), cast({month} as int), cast({day} as int))"
    days = f"cast(unix_date({made}) as bigint)"
    sizes = f"{in_reach} and {month} between 1L and 12L and {day} between 1L and 31L"
    return f"if({sizes} and {days} between -{_LAST_DAY}L and {_LAST_DAY}L, {days} * {DAY_US}L, null)"
