"""The passes over the IR, in the order in which they run. None knows a backend; none changes a bit of any
value. `split` (into stages) comes after them, a program set at a time."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir import Module
from compiler.passes.fold import fold
from compiler.passes.place import place
from compiler.passes.prune import prune
from compiler.passes.share import share
from compiler.passes.simplify import simplify

Pass = Callable[[Module], Module]

PASSES: tuple[Pass, ...] = (fold, simplify, fold, share, place, prune)
"""`fold` runs again because `simplify` decides conditions."""


def optimize(module: Module) -> Module:
    """The module after all passes; its nodes are those that a root needs, numbered from 0."""
    for run in PASSES:
        module = run(module)
    return module
