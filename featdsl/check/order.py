"""The order in which declarations that use each other are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from featdsl.syntax import tree

_MOST_CYCLES = 20
"""Cycles that are told apart; a file with more has them from a few causes."""


def sorted_by_need(needs: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The names, each after what it needs and else in the order given, and the cycles among them.

    A cycle is the names along it; they are left out of the order. Works without recursion: a chain may be
    thousands long.
    """
    order: list[str] = []
    cycles: list[list[str]] = []
    in_cycle: set[str] = set()
    done: set[str] = set()
    for root in needs:
        if root in done:
            continue
        way: dict[str, Iterator[str]] = {root: iter(needs[root])}
        while way:
            name = next(reversed(way))
            following = next(way[name], None)
            if following is None:
                del way[name]
                done.add(name)
                if name not in in_cycle:
                    order.append(name)
            elif following in way:
                in_cycle |= {name, following}
                if len(cycles) < _MOST_CYCLES:
                    names = list(way)
                    cycles.append(names[names.index(following) :])
                    in_cycle.update(cycles[-1])
            elif following not in done:
                way[following] = iter(needs[following])
    return order, cycles


def names_in(expression: tree.Expr) -> Iterator[tuple[str, bool]]:
    """Every name that an expression uses, and whether it is called; of `a.b` it is `a`."""
    stack: list[tree.Expr] = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Name):
            yield node.name, False
        elif isinstance(node, tree.Attribute):
            stack.append(node.base)
        elif isinstance(node, tree.Call):
            yield node.function.name, True
            stack += [a.value for a in reversed(node.arguments)]
        elif isinstance(node, tree.Unary):
            stack.append(node.operand)
        elif isinstance(node, tree.Binary):
            stack += [node.right, node.left]
        elif isinstance(node, tree.If):
            stack += [node.otherwise, node.then, node.condition]
        elif isinstance(node, tree.ListLiteral):
            stack += reversed(node.items)
        elif isinstance(node, tree.MapLiteral):
            stack += reversed((*node.keys, *node.values))
        elif isinstance(node, tree.Fit):
            stack += [a.value for a in reversed(node.arguments)]
