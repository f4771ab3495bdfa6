"""AUC of fresh and of frozen parameters over time, and the gain, as one SVG file for light and dark."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence

from quality import Gain
from report import Point

_WIDE, _HIGH, _GAP, _TOP, _LEFT = 400, 260, 84, 66, 64
_SETTLED = 1000
"""The gain so far is drawn from so many interactions on: before, it could be anything."""

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #6b7280; } .name { font-weight: 600; fill: #1b1f24; font-size: 13px; }
.ground { fill: #fff; } .grid { stroke: #e3e6ea; } .zero { stroke: #9aa3af; }
.fresh { stroke: #2563eb; } .frozen { stroke: #8a94a3; } .movies { stroke: #c2410c; }
polyline { fill: none; stroke-width: 2; } .band { stroke: none; fill-opacity: .14; } .band.fresh { fill: #2563eb; }
.band.movies { fill: #c2410c; } text.fresh { fill: #2563eb; stroke: none; } text.movies { fill: #c2410c; stroke: none; }
text.frozen { stroke: none; }
@media (prefers-color-scheme: dark) { text { fill: #9aa3af; } .name { fill: #e6e8eb; } .ground { fill: #14171c; }
.grid { stroke: #2b3038; } .fresh { stroke: #6ea8ff; } .movies { stroke: #fb923c; } .band.fresh { fill: #6ea8ff; }
.band.movies { fill: #fb923c; } text.fresh { fill: #6ea8ff; } text.movies { fill: #fb923c; } }
"""

Place = Callable[[float], float]


def draw(points: Sequence[Point], caption: str) -> str:
    """The page. `caption`: what it was made of."""
    width, height = 2 * _WIDE + _GAP + _LEFT + 24, _TOP + _HIGH + 64
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="AUC of fresh and of frozen parameters over time">'
        f'<style>{_STYLE}</style><rect class="ground" width="{width}" height="{height}"/>'
        f"{_quality(points, _LEFT)}{_gain(points, _LEFT + _WIDE + _GAP)}"
        f'<text x="{_LEFT}" y="{height - 12}">{_escaped(caption)}</text></svg>\n'
    )


def _quality(points: Sequence[Point], left: float) -> str:
    """The left panel: both ways, stretch by stretch."""
    values = [value for point in points for value in (point.fresh, point.frozen) if math.isfinite(value)]
    x, y = _across(points, left), _up(min(values), max(values))
    lines = "".join(
        f'<polyline class="{way}" points="{_path([(x(p.at_us), y(getattr(p, way))) for p in points])}"/>'
        for way in ("frozen", "fresh")
    )
    legend = _legend(left, [("fresh", "fresh parameters"), ("frozen", "frozen at the start")])
    title = f'<text class="name" x="{left}" y="20">AUC of the next interactions</text>'
    return title + legend + _axes(points, left, min(values), max(values), ".2f") + lines


def _gain(points: Sequence[Point], left: float) -> str:
    """The right panel: the gain of all up to then, with its interval."""
    ways: dict[str, list[tuple[int, Gain]]] = {
        "movies": [(point.at_us, point.new_movies_so_far) for point in points],
        "fresh": [(point.at_us, point.so_far) for point in points],
    }
    ways = {way: [(at, g) for at, g in gains if g.count >= _SETTLED] for way, gains in ways.items()}
    ends = [end for gains in ways.values() for _, gain in gains for end in (gain.low, gain.high)]
    finite = [0.0, *(end for end in ends if math.isfinite(end))]
    low, high = min(finite), max(finite)
    x, y = _across(points, left), _up(low, high)
    drawn = []
    for way, gains in ways.items():
        band = [(x(at), y(g.low)) for at, g in gains] + [(x(at), y(g.high)) for at, g in reversed(gains)]
        line = [(x(at), y(g.gain)) for at, g in gains]
        drawn.append(f'<polygon class="band {way}" points="{_path(band)}"/>')
        drawn.append(f'<polyline class="{way}" points="{_path(line)}"/>')
    zero = f'<line class="zero" x1="{left}" x2="{left + _WIDE}" y1="{y(0):.1f}" y2="{y(0):.1f}"/>'
    legend = _legend(left, [("fresh", "all"), ("movies", "new movies")])
    title = (
        f'<text class="name" x="{left}" y="20">Gain in AUC so far, fresh minus frozen (95 % interval)</text>'
    )
    return title + legend + _axes(points, left, low, high, "+.3f") + zero + "".join(drawn)


def _legend(left: float, ways: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<line class="{way}" stroke-width="2" x1="{left + 150 * k}" x2="{left + 150 * k + 18}" y1="40" y2="40"/>'
        f'<text class="{way}" x="{left + 150 * k + 24}" y="44">{name}</text>'
        for k, (way, name) in enumerate(ways)
    )


def _axes(points: Sequence[Point], left: float, low: float, high: float, form: str) -> str:
    x, y = _across(points, left), _up(low, high)
    step = _step(high - low)
    grid = "".join(
        f'<line class="grid" x1="{left}" x2="{left + _WIDE}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:{form}}</text>'
        for v in (k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1))
    )
    months = "".join(
        f'<line class="grid" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{_TOP}" y2="{_TOP + _HIGH}"/>'
        f'<text x="{x(at):.1f}" y="{_TOP + _HIGH + 18}" text-anchor="middle">{name}</text>'
        for at, name in _months(points[0].at_us, points[-1].at_us)
    )
    return grid + months


def _across(points: Sequence[Point], left: float) -> Place:
    first, last = points[0].at_us, max(points[-1].at_us, points[0].at_us + 1)
    return lambda at: left + (at - first) / (last - first) * _WIDE


def _up(low: float, high: float) -> Place:
    span = max(high - low, 1e-6)
    return lambda value: _TOP + _HIGH - (value - low) / span * _HIGH


def _step(span: float) -> float:
    """Of the grid: 1, 2 or 5 of some unit, for about five lines."""
    unit = 10.0 ** math.floor(math.log10(max(span, 1e-6) / 5))
    return next(k * unit for k in (1, 2, 5, 10) if k * unit * 5 >= span)


def _months(first_us: int, last_us: int) -> list[tuple[int, str]]:
    """The first of each month between, with its name."""
    found = []
    day = datetime.datetime.fromtimestamp(first_us / 1e6, datetime.UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    while (at := int(day.timestamp() * 1e6)) <= last_us:
        if at >= first_us:
            found.append((at, f"{day:%b %Y}"))
        day = (day + datetime.timedelta(days=32)).replace(day=1)
    return found


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points if math.isfinite(b))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
