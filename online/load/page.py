"""A page with the curves of a load: one HTML file that needs nothing else, for light and dark."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from online.load.results import PERCENTILES, Step

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 92, 14, 40

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f24; --faint: #6b7280; --line: #e3e6ea;
  --c0: #2563eb; --c1: #0d9488; --c2: #d97706; --c3: #dc2626; --c4: #7c3aed; --c5: #64748b; --c6: #db2777;
  --c7: #65a30d; --c8: #0891b2; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171c; --ink: #e6e8eb; --faint: #9aa3af; --line: #2b3038;
  --c0: #6ea8ff; --c1: #3fc9bb; --c2: #f5a742; --c3: #ff7b7b; --c4: #b593ff; --c5: #9fb0c6; --c6: #ff85c0;
  --c7: #a3d65c; --c8: #58c7e0; } }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 1360px; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 0 0 .3rem; }
p { color: var(--faint); margin: .2rem 0 1.4rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 540px), 1fr)); gap: 2rem; }
svg { width: 100%; height: auto; } svg text { fill: var(--faint); font-size: 12px; }
svg .grid { stroke: var(--line); } svg .name { font-weight: 600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin-top: 2rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--faint); font-weight: 500; }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: its points in the order of the rates; a server that is asked too much may answer less, and the curve
    turns back."""

    name: str
    points: Sequence[tuple[float, float]]


def page(title: str, what: str, steps: Sequence[Step]) -> str:
    """The page. `what`: how it was measured."""
    stages = list(dict.fromkeys(stage for step in steps for stage in step.stages))
    plots = [
        (
            "Latency by calls answered a second, ms",
            _plot([_line(f"p{p:g}", steps, _latency(f"p{p:g}")) for p in PERCENTILES], logarithmic=True),
        ),
        (
            "p99 by stage, in the server, ms",
            _plot([_line(stage, steps, _stage(stage)) for stage in stages], logarithmic=True),
        ),
        (
            "Answered of what was asked, calls a second",
            _plot(
                [
                    Line("answered", [(step.rate, step.answered_a_second) for step in steps]),
                    Line("asked", [(step.rate, step.rate) for step in steps]),
                ],
                across="calls asked a second",
            ),
        ),
        (
            "Errors, and hits of the item cache, %",
            _plot(
                [
                    Line("errors", [(step.rate, 100 * step.error_share) for step in steps]),
                    Line("hits", [(s.rate, 100 * s.hit_rate) for s in steps if s.hit_rate is not None]),
                ],
                across="calls asked a second",
                top=100.0,
            ),
        ),
    ]
    body = "".join(f"<section><h2>{html.escape(name)}</h2>{svg}</section>" for name, svg in plots)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<h1>{html.escape(title)}</h1><p>{html.escape(what)}</p><div class="plots">{body}</div>'
        f'<div class="scroll">{_table(steps)}</div></body></html>\n'
    )


def _line(name: str, steps: Sequence[Step], of: Callable[[Step], float]) -> Line:
    return Line(name, [(step.answered_a_second, of(step)) for step in steps])


def _latency(percentile: str) -> Callable[[Step], float]:
    return lambda step: step.latency_ms[percentile]


def _stage(stage: str) -> Callable[[Step], float]:
    return lambda step: step.stages.get(stage, {}).get("p99", 0.0)


def _table(steps: Sequence[Step]) -> str:
    head = [
        "asked/s",
        "answered/s",
        "errors",
        *(f"p{p:g} ms" for p in PERCENTILES),
        "worst ms",
        "hits",
        "cores",
    ]
    rows = [
        [
            f"{step.rate:g}",
            f"{step.answered_a_second:.1f}",
            f"{step.error_share:.2%}",
            *(f"{step.latency_ms[f'p{p:g}']:.2f}" for p in PERCENTILES),
            f"{step.worst_ms:.2f}",
            "" if step.hit_rate is None else f"{step.hit_rate:.1%}",
            "" if step.cores is None else f"{step.cores:.2f}",
        ]
        for step in steps
    ]
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return "<table><tr>" + "".join(f"<th>{name}</th>" for name in head) + f"</tr>{cells}</table>"


# --- plots -----------------------------------------------------------------------------------------


def _plot(
    lines: Sequence[Line],
    *,
    logarithmic: bool = False,
    across: str = "calls answered a second",
    top: float | None = None,
) -> str:
    shown = [Line(line.name, [(x, y) for x, y in line.points if not logarithmic or y > 0]) for line in lines]
    shown = [line for line in shown if line.points]
    xs = [x for line in shown for x, _ in line.points] or [1.0]
    ys = [y for line in shown for _, y in line.points] or [1.0]
    marks = _decades(min(ys), max(ys)) if logarithmic else _round_steps(top or max(*ys, 1e-9))
    ends = _round_steps(max(*xs, 1e-9))
    low, high = marks[0], marks[-1]

    def at_x(x: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / ends[-1]

    def at_y(y: float) -> float:
        if logarithmic:
            share = (math.log(y) - math.log(low)) / (math.log(high) - math.log(low))
        else:
            share = (y - low) / (high - low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    parts = []
    for mark in marks:
        y = at_y(mark)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>')
    for mark in ends:
        parts.append(
            f'<text x="{at_x(mark):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{mark:g}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{across}</text>'
    )
    names = _apart([at_y(line.points[-1][1]) for line in shown])
    for number, (line, name_y) in enumerate(zip(shown, names, strict=True)):
        color = f"var(--c{number % 9})"
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{color}">'
            f"<title>{html.escape(line.name)}: {y:.4g} at {x:.4g}</title></circle>"
            for x, y in line.points
        ]
        parts.append(
            f'<text class="name" x="{_WIDTH - _RIGHT + 10}" y="{name_y + 4:.1f}" style="fill:{color}">'
            f"{html.escape(line.name)}</text>"
        )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'


def _decades(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … around the values; only the tens where these are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    within = (1, 2, 5) if last - first <= 2 else (1,)
    marks = [step * 10.0**power for power in range(first, last + 1) for step in within]
    below = [mark for mark in marks if mark <= low] or marks[:1]
    above = [mark for mark in marks if mark >= high] or marks[-1:]
    found = [mark for mark in marks if below[-1] <= mark <= above[0]]
    return found if len(found) > 1 else [found[0], found[0] * 10]


def _round_steps(top: float) -> list[float]:
    """From 0 to `top` or a little beyond, in four to eight round steps."""
    rough = top / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough)
    return [number * step for number in range(math.ceil(top / step - 1e-9) + 1)]


def _apart(places: Sequence[float], least: float = 15.0) -> list[float]:
    """Places for names, moved so far that they do not lie on each other."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    found = list(places)
    for before, after in itertools.pairwise(order):
        found[after] = max(found[after], found[before] + least)
    over = max([0.0, *(place - (_HEIGHT - _BOTTOM) for place in found)])
    return [place - over for place in found]
