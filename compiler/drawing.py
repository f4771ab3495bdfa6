"""The IR as a picture: SVG, from inputs on the left to results on the right, an area a level."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from html import escape

from compiler.ir import Module, Node, column_of
from compiler.layout import Box, Layout, lay_out
from compiler.passes.split import stage_of
from compiler.text import expression, literal
from featdsl.errors import InputError

MOST_NODES = 4_000

_AREAS = {"request": (0, 0), "item": (0, 1), "pair": (1, 0), "after": (2, 0)}
_WHEN = {
    "request": "once a call",
    "item": "once an item",
    "pair": "once a candidate",
    "after": "after the model",
}
_COLORS = {
    "request": ("#e8f1fb", "#2f6db5"),
    "item": ("#e7f5ec", "#2c8a57"),
    "pair": ("#fdf1e3", "#b86a14"),
    "after": ("#f3ebf9", "#7d4aa8"),
}
_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_CHAR, _LINE, _PAD = 7.3, 16.0, 10.0
_MARGIN, _HEAD = 48.0, 64.0
_LONGEST = 46


def draw(module: Module, title: str) -> str:
    """The graph as an SVG document; constants stand in the boxes that use them. Errors: `InputError` for a
    graph too large to look at."""
    nodes = [node for node in module.graph.nodes if node.op != "const"]
    if len(nodes) > MOST_NODES:
        raise InputError(
            f"the graph has too many nodes to be drawn: {len(nodes)}", help="draw one feature: --feature NAME"
        )
    results = _results(module)
    boxes = [_box(node, results.get(node.id, [])) for node in nodes]
    layout = lay_out(boxes)
    return "\n".join(_document(layout, nodes, results, title))


def _results(module: Module) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for name, root in module.roots.items():
        kind, owner, *_ = name.split("/")
        shown = owner if kind == "feature" else f"{owner}.{column_of(name)}"
        names.setdefault(root.node.id, []).append(shown)
    return names


def _box(node: Node, results: list[str]) -> Box:
    area, lane = _AREAS[stage_of(node)]
    lines = [_label(node), str(node.type), *results]
    width = max(_width(line) for line in lines) * _CHAR + 2 * _PAD
    needs = tuple(dict.fromkeys(arg.id for arg in node.args if arg.op != "const"))
    return Box(node.id, width, len(lines) * _LINE + 10, area, lane, needs)


def _label(node: Node) -> str:
    """The node as an expression with a dot for each value that comes in by an edge."""
    if node.op == "list":
        return f"[{len(node.args)} values]"
    operands = [(literal(a.attribute("value")) if a.op == "const" else "·", 10) for a in node.args]
    return _cut(expression(node, operands)[0])


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _document(
    layout: Layout, nodes: Iterable[Node], results: dict[int, list[str]], title: str
) -> Iterator[str]:
    boxes = list(layout.boxes.values())
    left = min((b.x - b.width / 2 for b in boxes), default=0.0) - _MARGIN
    top = min((b.y - b.height / 2 for b in boxes), default=0.0) - _MARGIN - _HEAD
    width = max((b.x + b.width / 2 for b in boxes), default=0.0) + _MARGIN - left
    height = max((b.y + b.height / 2 for b in boxes), default=0.0) + _MARGIN - top
    width = max(width + 120, len(title) * 9.5 + 2 * _MARGIN)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}" font-family="{_FONT}" font-size="12">'
    )
    yield f"<title>{escape(title)}</title>"
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="#ffffff"/>'
    yield f'<text x="{left + 20:.1f}" y="{top + 30:.1f}" font-size="16" fill="#1f2933">{escape(title)}</text>'
    by_stage: dict[str, list[Box]] = {}
    for node in nodes:
        by_stage.setdefault(stage_of(node), []).append(layout.boxes[node.id])
    for stage in _AREAS:
        if stage in by_stage:
            yield from _band(stage, by_stage[stage])
    yield '<g fill="none" stroke="#8a97a6" stroke-width="1.2">'
    yield from (_edge(points) for points in layout.edges)
    yield "</g>"
    for node in nodes:
        yield from _drawn(node, layout.boxes[node.id], results.get(node.id, []))
    yield "</svg>"


def _band(stage: str, boxes: list[Box]) -> Iterator[str]:
    fill, ink = _COLORS[stage]
    left = min(b.x - b.width / 2 for b in boxes) - 16
    caption = len(f"{stage}: {_WHEN[stage]}") * _CHAR + 24
    right = max(left + caption, max(b.x + b.width / 2 for b in boxes) + 16)
    top = min(b.y - b.height / 2 for b in boxes) - 30
    bottom = max(b.y + b.height / 2 for b in boxes) + 14
    yield (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" rx="10" '
        f'fill="{fill}" fill-opacity="0.45" stroke="{ink}" stroke-opacity="0.25"/>'
    )
    yield (
        f'<text x="{left + 12:.1f}" y="{top + 19:.1f}" fill="{ink}" font-weight="bold">{stage}'
        f'<tspan font-weight="normal">: {_WHEN[stage]}</tspan></text>'
    )


def _edge(points: list[tuple[float, float]]) -> str:
    (x, y), *others = points
    path = [f"M{x:.1f},{y:.1f}"]
    for to_x, to_y in others:
        middle = (x + to_x) / 2
        path.append(f"C{middle:.1f},{y:.1f} {middle:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}")
        x, y = to_x, to_y
    return f'<path d="{" ".join(path)}"/>'


def _drawn(node: Node, box: Box, results: list[str]) -> Iterator[str]:
    fill, ink = _COLORS[stage_of(node)]
    left, top = box.x - box.width / 2, box.y - box.height / 2
    weight = "2.4" if results else "1"
    round_ = box.height / 2 if node.op == "input" else 5
    yield f"<g><title>{escape(f'${node.id} {node.op}: {node.type}')}</title>"
    yield (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{round_:.1f}" fill="{fill}" stroke="{ink}" stroke-width="{weight}"/>'
    )
    lines = [(_label(node), "#1f2933", "normal"), (str(node.type), "#6b7785", "normal")]
    lines += [(name, ink, "bold") for name in results]
    for i, (text, color, boldness) in enumerate(lines):
        yield (
            f'<text x="{box.x:.1f}" y="{top + 17 + i * _LINE:.1f}" text-anchor="middle" fill="{color}" '
            f'font-weight="{boldness}">{escape(text)}</text>'
        )
    yield "</g>"
