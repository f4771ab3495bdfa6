"""A layered layout: boxes in columns from left to right, each right of what it needs.

Columns come in areas, one after another; the first area may have several lanes, one above another. Long edges
run through place holders, so that they go around boxes. The order in a column follows the neighbours'
barycentres, the heights their means, as near as the spacing allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

GAP_X = 56.0
GAP_Y = 14.0
LANE_GAP = 56.0
_SWEEPS = 12


@dataclass(slots=True)
class Box:
    """`needs` are the keys of boxes to the left. `x`, `y` is the centre, once laid out."""

    key: int
    width: float
    height: float
    area: int = 0
    lane: int = 0
    needs: tuple[int, ...] = ()
    column: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass(slots=True)
class Layout:
    """`edges` are lines of points from right of a box to left of the one that needs it."""

    boxes: dict[int, Box]
    edges: list[list[tuple[float, float]]] = field(default_factory=list)


def lay_out(boxes: Sequence[Box]) -> Layout:
    """Places boxes; each comes after those that it needs."""
    known = {box.key: box for box in boxes}
    _choose_columns(boxes, known)
    chains = _chains(boxes, known)
    columns = _columns([*boxes, *(point for chain in chains for point in chain[1:-1])])
    _order(columns, chains)
    _place_x(columns)
    _place_y(columns, chains)
    return Layout(known, [_line(chain) for chain in chains])


def _choose_columns(boxes: Sequence[Box], known: Mapping[int, Box]) -> None:
    """As far left as what a box needs allows; but one that needs nothing stands just left of its users."""
    start = 0
    for area in sorted({box.area for box in boxes}):
        here = [box for box in boxes if box.area == area]
        for box in here:
            box.column = max([start, *(known[key].column + 1 for key in box.needs)])
        end = max(box.column for box in here) + 1
        users: dict[int, int] = {}
        for box in boxes:
            column = box.column if box.area == area else end
            for key in box.needs if box.area >= area else ():
                users[key] = min(users.get(key, column), column)
        for box in here:
            if not box.needs:
                box.column = max(start, users.get(box.key, start + 1) - 1)
        start = end


def _chains(boxes: Sequence[Box], known: Mapping[int, Box]) -> list[list[Box]]:
    """For each edge the box, a place holder a column between, and the box that needs it."""
    area_of = {box.column: box.area for box in boxes}
    chains = []
    for box in boxes:
        for key in box.needs:
            start = known[key]
            columns = range(start.column + 1, box.column)
            between = [Box(-1, 0.0, 2.0, area_of[column], start.lane, column=column) for column in columns]
            chains.append([start, *between, box])
    return chains


def _columns(boxes: Sequence[Box]) -> list[list[Box]]:
    columns: list[list[Box]] = [[] for _ in range(max((box.column for box in boxes), default=-1) + 1)]
    for box in boxes:
        columns[box.column].append(box)
    return columns


class _Neighbours:
    def __init__(self, chains: Sequence[Sequence[Box]]) -> None:
        self._left: dict[int, list[Box]] = {}
        self._right: dict[int, list[Box]] = {}
        for chain in chains:
            for a, b in pairwise(chain):
                self._right.setdefault(id(a), []).append(b)
                self._left.setdefault(id(b), []).append(a)

    def of(self, box: Box, *, left: bool) -> list[Box]:
        return (self._left if left else self._right).get(id(box), [])

    def both(self, box: Box) -> list[Box]:
        return self.of(box, left=True) + self.of(box, left=False)


def _order(columns: Sequence[list[Box]], chains: Sequence[Sequence[Box]]) -> None:
    neighbours = _Neighbours(chains)
    for column in columns:
        _number(column)
    for sweep in range(_SWEEPS):
        rightwards = sweep % 2 == 0
        for column in columns if rightwards else columns[::-1]:
            means = {id(box): _mean(neighbours.of(box, left=rightwards), box) for box in column}
            column.sort(key=_by_lane_and(means))
            _number(column)


def _by_lane_and(means: Mapping[int, float]) -> Callable[[Box], tuple[int, float]]:
    return lambda box: (box.lane if box.area == 0 else 0, means[id(box)])


def _number(column: Sequence[Box]) -> None:
    """While boxes are put in order, `y` is the place in the column, from 0 to 1."""
    for i, box in enumerate(column):
        box.y = (i + 0.5) / len(column)


def _mean(boxes: Sequence[Box], otherwise: Box) -> float:
    return sum(box.y for box in boxes) / len(boxes) if boxes else otherwise.y


def _place_x(columns: Sequence[Sequence[Box]]) -> None:
    left = 0.0
    for column in columns:
        width = max((box.width for box in column), default=0.0)
        for box in column:
            box.x = left + width / 2
        left += width + GAP_X


def _place_y(columns: Sequence[Sequence[Box]], chains: Sequence[Sequence[Box]]) -> None:
    neighbours = _Neighbours(chains)
    for column in columns:
        _spread(column, [0.0] * len(column))
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 else columns[::-1]:
            _spread(column, [_mean(neighbours.both(box), box) for box in column])
    _part_lanes([box for column in columns for box in column])
    for _ in range(_SWEEPS):
        for column in columns:
            if all(box.area > 0 for box in column):
                _spread(column, [_mean(neighbours.of(box, left=True), box) for box in column])


def _part_lanes(boxes: Sequence[Box]) -> None:
    """Moves each lane of the first area below the one before it."""
    lanes = sorted({box.lane for box in boxes if box.area == 0})
    bottom: float | None = None
    for lane in lanes:
        here = [box for box in boxes if box.area == 0 and box.lane == lane]
        top = min(box.y - box.height / 2 for box in here)
        shift = 0.0 if bottom is None else bottom + LANE_GAP - top
        for box in here:
            box.y += shift
        bottom = max(box.y + box.height / 2 for box in here)


def _spread(column: Sequence[Box], wanted: Sequence[float]) -> None:
    """The heights nearest to `wanted` (least squares) that keep order and spacing."""
    offsets, total = [], 0.0
    for i, box in enumerate(column):
        if i:
            total += (column[i - 1].height + box.height) / 2 + GAP_Y
        offsets.append(total)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, size = blocks.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        blocks.append((mean, count))
    heights = [mean for mean, count in blocks for _ in range(count)]
    for box, height, offset in zip(column, heights, offsets, strict=True):
        box.y = height + offset


def _line(chain: Sequence[Box]) -> list[tuple[float, float]]:
    start, *between, end = chain
    inner = [(point.x, point.y) for point in between]
    return [(start.x + start.width / 2, start.y), *inner, (end.x - end.width / 2, end.y)]
