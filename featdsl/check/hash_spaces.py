"""Hash spaces: where a program folds values into buckets, and whether `feat fit` saw them collide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from featdsl.check.complaints import Complaints
from featdsl.levels import Level
from featdsl.program import CheckedProgram, HashUse
from featdsl.state import HashSpace
from featdsl.typed import Typed

MOST_COLLIDING = 0.05
"""The share of the values seen that may share their bucket with another before there is a warning."""


def hash_uses(program: CheckedProgram, identity: Callable[[Typed], str | None]) -> tuple[HashUse, ...]:
    """Every `hash(x, buckets)` that a feature or model needs and that does not wait for what is not fitted yet."""
    found = []
    for node in _reachable(program):
        if node.op == "hash" and node.level is not Level.AFTER:
            buckets = dict(node.attributes).get("buckets")
            number = identity(node) if isinstance(buckets, int) else None
            if number is not None:
                assert isinstance(buckets, int)
                text = " ".join(node.span.file.text[node.span.start : node.span.end].split())
                found.append(HashUse(number, text if len(text) <= 200 else text[:199] + "…", buckets, node))
    return tuple(found)


def warn_of_collisions(
    hashes: tuple[HashUse, ...], spaces: Mapping[str, HashSpace], complaints: Complaints
) -> None:
    for use in hashes:
        space = spaces.get(use.id)
        if space is not None and space.share > MOST_COLLIDING:
            complaints.warning(
                "W0201",
                f"{space.share:.0%} of the values seen share their bucket with another: "
                f"{space.colliding:_} of {space.values:_} in {space.buckets:_} buckets",
                use.bucket.span,
                help=f"{_enough(space.values):_} buckets would be enough, or `lookup(x, fit vocab())`",
            )


def _enough(values: int) -> int:
    """Buckets in which about 1 in 20 of so many values collides, as a round number."""
    wanted = max(values, 1) * 20
    unit = int(10 ** max(len(str(wanted)) - 2, 0))
    return -(-wanted // unit) * unit


def _reachable(program: CheckedProgram) -> Iterator[Typed]:
    stack = [feature.value for feature in program.features]
    for model in program.models:
        stack += [value for tensor in model.inputs for value in tensor.values]
        stack += [value for value in (model.keep, model.score) if value is not None]
    seen: set[int] = set()
    stack.reverse()
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            stack += reversed(node.args)
