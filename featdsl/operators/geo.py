"""Places on the earth, as latitude and longitude in degrees, latitude first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.strictmath_trig import asin, cos, sin

RADIAN = 0.017453292519943295
"""Of a degree."""
DIAMETER_KM = 2 * 6371.0088
"""Twice the earth's mean radius, (2a + b) / 3 of the ellipsoid GRS 80."""


def _outside(latitude: float, longitude: float) -> bool:
    return abs(latitude) > 90.0 or abs(longitude) > 180.0


@operator(
    "haversine(lat1: float64, lon1: float64, lat2: float64, lon2: float64) -> float64?",
    examples={
        "haversine(0, 0, 0, 0)": 0.0,
        "haversine(52.5, 13.4, 48.9, 2.35)": 873.8886425366069,
        "haversine(91, 0, 0, 0)": None,
    },
)
def haversine(lat1: float, lon1: float, lat2: float, lon2: float) -> float | None:
    """The distance in kilometers of two places on a sphere of radius 6371.0088 km, by the haversine formula.

    Degrees, latitude first. With s the sine of half the difference of the latitudes and t that of the longitudes it
    is `12742.0176 * asin(sqrt(s * s + cos(lat1) * cos(lat2) * (t * t)))`. Null where a latitude is outside -90 to 90,
    or a longitude outside -180 to 180.
    """
    if _outside(lat1, lon1) or _outside(lat2, lon2):
        return None
    s = sin((lat2 - lat1) * RADIAN / 2.0)
    t = sin((lon2 - lon1) * RADIAN / 2.0)
    square = s * s + cos(lat1 * RADIAN) * cos(lat2 * RADIAN) * (t * t)
    return DIAMETER_KM * asin(math.sqrt(1.0 if square > 1.0 else square))


_DIGITS = "0123456789bcdefghjkmnpqrstuvwxyz"
MOST_PRECISE = 12


def _precision_error(constants: Mapping[str, Any]) -> str | None:
    precision = constants["precision"]
    if not 1 <= precision <= MOST_PRECISE:
        return f"the precision of a geohash is 1 to {MOST_PRECISE}, found {precision}"
    return None


@operator(
    "geohash(lat: float64, lon: float64, precision: const int64) -> string?",
    validate=_precision_error,
    examples={
        "geohash(57.64911, 10.40744, 11)": "u4pruydqqvj",
        "geohash(48.9, 2.35, precision: 5)": "u09wj",
        "geohash(0, 181, 5)": None,
    },
)
def geohash(lat: float, lon: float, *, precision: int) -> str | None:
    """The geohash of a place, in `precision` letters: cells of about 1.2 km at 6, of 150 m at 7.

    Longitude and latitude are halved in turn, a bit a step; what lies on a middle goes up. Null where the latitude is
    outside -90 to 90 or the longitude outside -180 to 180, and for NaN. `hash(geohash(lat, lon, 6), 10_000)` is a
    bucket of a cell.
    """
    if not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
        return None
    ranges = [[-180.0, 180.0], [-90.0, 90.0]]
    bits = 0
    for step in range(5 * precision):
        ends, value = ranges[step % 2], (lon, lat)[step % 2]
        middle = (ends[0] + ends[1]) / 2.0
        upper = value >= middle
        ends[0 if upper else 1] = middle
        bits = bits * 2 + upper
    return "".join(_DIGITS[bits >> 5 * place & 31] for place in reversed(range(precision)))
