"""Curves of costs on logarithmic axes, as one SVG file, for light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SIDE, _GAP, _TOP, _BOTTOM, _LEFT = 280, 70, 40, 44, 62

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #6b7280; } .name { font-weight: 600; fill: #1b1f24; }
.grid { stroke: #e3e6ea; } .ideal { stroke: #9aa3af; stroke-dasharray: 4 4; } .ground { fill: #fff; }
.curve { stroke: #2563eb; stroke-width: 2; fill: none; } .point { fill: #2563eb; }
@media (prefers-color-scheme: dark) { text { fill: #9aa3af; } .name { fill: #e6e8eb; } .ground { fill: #14171c; }
.grid { stroke: #2b3038; } .curve { stroke: #6ea8ff; } .point { fill: #6ea8ff; } }
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """What grows, and by its size the milliseconds."""

    name: str
    points: Sequence[tuple[int, float]]

    @property
    def exponent(self) -> float:
        """The slope of the line through the logarithms (least squares): 1 is linear, 2 quadratic, 0 no growth."""
        sizes, costs = zip(*self.points, strict=True)
        return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])

    @property
    def line(self) -> tuple[float, float]:
        """The straight line through the costs themselves: where it begins, and its slope."""
        sizes, costs = zip(*self.points, strict=True)
        each, fixed = np.polyfit(sizes, costs, 1)
        return float(fixed), float(each)

    @property
    def straightness(self) -> float:
        """R² of that line."""
        sizes, costs = zip(*self.points, strict=True)
        return float(np.corrcoef(sizes, costs)[0, 1] ** 2)


def plot(curves: Sequence[Curve]) -> str:
    """The page. The dashed line grows as what it is over."""
    width = len(curves) * (_SIDE + _GAP) + _LEFT
    height = _TOP + _SIDE + _BOTTOM
    parts = "".join(_panel(curve, _LEFT + k * (_SIDE + _GAP)) for k, curve in enumerate(curves))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<style>{_STYLE}</style><rect class="ground" width="{width}" height="{height}"/>{parts}</svg>\n'
    )


def _panel(curve: Curve, left: float) -> str:
    sizes = [size for size, _ in curve.points]
    costs = [cost for _, cost in curve.points]
    first = math.floor(math.log10(min(costs)))
    decades = max(math.ceil(math.log10(max(costs))), first + 1) - first
    low, span = math.log10(sizes[0]), math.log10(sizes[-1] / sizes[0])

    def x(size: float) -> float:
        return left + (math.log10(size) - low) / span * _SIDE

    def y(cost: float) -> float:
        return _TOP + _SIDE - (math.log10(cost) - first) / decades * _SIDE

    grid = "".join(
        f'<line class="grid" x1="{left}" x2="{left + _SIDE}" y1="{y(10.0**k):.1f}" y2="{y(10.0**k):.1f}"/>'
        f'<text x="{left - 6}" y="{y(10.0**k) + 4:.1f}" text-anchor="end">{10.0**k:g}</text>'
        for k in range(first, first + decades + 1)
    )
    ticks = "".join(
        f'<text x="{x(size):.1f}" y="{_TOP + _SIDE + 18}" text-anchor="middle">{size:,}</text>'
        for size in sizes
    )
    # a line of slope 1 from the last point down, as far as the panel goes
    start = max(sizes[0], sizes[-1] * 10.0**first / costs[-1])
    ideal = (
        f'<line class="ideal" x1="{x(start):.1f}" y1="{y(costs[-1] * start / sizes[-1]):.1f}" '
        f'x2="{x(sizes[-1]):.1f}" y2="{y(costs[-1]):.1f}"/>'
    )
    path = " ".join(f"{x(size):.1f},{y(cost):.1f}" for size, cost in curve.points)
    points = "".join(
        f'<circle class="point" cx="{x(s):.1f}" cy="{y(c):.1f}" r="3.5"/>' for s, c in curve.points
    )
    return (
        f'<text class="name" x="{left}" y="20">ms a call by {curve.name}</text>{grid}{ticks}{ideal}'
        f'<polyline class="curve" points="{path}"/>{points}'
        f'<text x="{left + _SIDE}" y="{_TOP + _SIDE + 36}" text-anchor="end">'
        f"exponent {curve.exponent:.2f}</text>"
    )
