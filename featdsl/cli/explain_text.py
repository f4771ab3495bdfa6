"""The lines that `feat explain` prints."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compiler.inputs import inputs_read
from compiler.ir import Module, Node, Root, column_of, set_of
from compiler.passes import PASSES
from compiler.passes.prune import prune
from compiler.passes.split import split
from compiler.text import expression, listing, literal
from featdsl.errors import InputError
from featdsl.facts import facts_of, facts_text
from featdsl.levels import Level
from featdsl.program import Field, FitSite, Schema, Sequence

_LEVELS = (Level.CONSTANT, Level.REQUEST, Level.ITEM, Level.PAIR, Level.AFTER)
_WHEN = {
    "constant": "once, when it is built",
    "request": "once a call",
    "item": "once an item",
    "pair": "once a candidate",
    "after": "once a candidate, after the model",
}


@dataclass(frozen=True)
class Explained:
    """A program to be shown: after lowering (for `--passes`), and after all passes. `sites`: what `feat fit` learned
    for it; a bundle has only the constants."""

    schema: Schema
    module: Module
    docs: dict[str, str]
    lowered: Module | None = None
    sites: tuple[FitSite, ...] = ()


def _root(module: Module, name: str) -> tuple[str, Root]:
    """A root by its own name, or as `feature/<name>`, `<model>.<input>`."""

    shown = {}
    for root in module.roots:
        kind, owner, *_ = root.split("/")
        shown[owner if kind == "feature" else f"{owner}.{column_of(root)}"] = root
    found = shown.get(name, name)
    if found not in module.roots:
        near = difflib.get_close_matches(name, shown, n=1)
        known = f"did you mean `{near[0]}`?" if near else f"it has: {', '.join(shown)}"
        raise InputError(f"the program has no such feature: {name}", help=known)
    return found, module.roots[found]


def only(module: Module, name: str) -> Module:

    full_name, root = _root(module, name)
    return prune(Module(module.graph, {full_name: root}, module.labels))


def show_program(program: Explained) -> Iterator[str]:

    module = program.module
    yield f"{program.schema.namespace}: {len(module.roots)} results, {len(module.graph.nodes)} nodes"
    yield from _show_levels(module)
    yield from _show_sites(program.sites)
    yield ""
    yield "programs"
    for set_name in dict.fromkeys(set_of(name) for name in module.roots):
        for stage in split(module, set_name):
            instructions = sum(node.op != "const" for node in stage.nodes)
            counts = f"{len(stage.inputs):>4} in {instructions:>5} instructions {len(stage.outputs):>4} out"
            yield f"  {set_name:<20} {stage.name:<8} {counts}"


def _show_sites(sites: Iterable[FitSite]) -> Iterator[str]:
    """What is learned, of what, with which options; then what was."""
    ordered = sorted(sites, key=lambda site: (site.name, site.statistic, site.of))
    if ordered:
        yield ""
        yield "learned by `feat fit`"
        width = max(len(site.name) for site in ordered)
        for site in ordered:
            options = ", ".join(f"{option}: {literal(value)}" for option, value in site.parameters.items())
            yield f"  {site.name:<{width}}  {site.statistic:<9}  of {site.of}{options and f'  ({options})'}"
            if site.state is not None:
                yield f"  {'':<{width}}  {'':<9}  {facts_text(facts_of(site.state))}"


def _show_levels(module: Module) -> Iterator[str]:

    lines = listing(module)
    roots = {root.node.id for root in module.roots.values()}
    for level in _LEVELS:
        here = [line for line in lines if line.node.level is level]
        if here:
            yield ""
            yield f"{level.label}: {_WHEN[level.label]}"
            width = min(32, max(len(line.name) for line in here))
            types = min(24, max(len(str(line.node.type)) for line in here))
            for line in here:
                mark = "*" if line.node.id in roots else " "
                yield f" {mark}{line.name:<{width}}  {line.node.type!s:<{types}}  {line.text}"


def show_feature(program: Explained, name: str) -> Iterator[str]:

    module = only(program.module, name)
    ((full_name, root),) = module.roots.items()
    level = root.node.level.label
    yield f"{full_name}: {root.type}, computed {_WHEN[level]} ({level})"
    doc = program.docs.get(name, "")
    if doc:
        yield from (f"  {line}" for line in doc.splitlines())
    yield ""
    for line in listing(module):
        yield f"  {line.name} = {line.text}"
    yield ""
    yield "tree"
    yield from (f"  {line}" for line in _tree(root.node))
    read = sorted(inputs_read([root.node]))
    if read:
        yield ""
        yield "reads"
        width = max(map(len, read))
        declared = _declarations(program.schema)
        yield from (f"  {name:<{width}}  {declared.get(name, '')}".rstrip() for name in read)
    yield from _show_sites(site for site in program.sites if site.name == name)


def _tree(top: Node) -> Iterator[str]:
    """A line a node; what was shown above is not shown again."""

    shown: set[int] = set()
    stack: list[tuple[Node, str, str]] = [(top, "", "")]
    while stack:
        node, lead, below = stack.pop()
        leaf = node.op in ("input", "const")
        text = expression(node, [])[0] if leaf else node.op
        again = not leaf and node.id in shown
        shown.add(node.id)
        mapped = ", of each element" if any(node.mapped) else ""
        yield f"{lead}{text}  {node.type}{mapped}" + ("  (as above)" if again else "")
        if not again:
            last = len(node.args) - 1
            children = [
                (arg, below + ("└─ " if i == last else "├─ "), below + ("   " if i == last else "│  "))
                for i, arg in enumerate(node.args)
            ]
            stack += reversed(children)


def _declarations(schema: Schema) -> dict[str, str]:

    found = {e.name: f"{e.type}, the key of {e.name}" for e in schema.entities}
    parts = [(s.name, s.fields) for s in schema.sources]
    for prefix, fields in [*parts, ("request", schema.request), ("candidate", schema.candidate)]:
        for field in fields:
            if isinstance(field, Sequence):
                for member in field.fields:
                    cap = "" if field.cap is None else f", the first {field.cap}"
                    found[f"{prefix}.{field.name}.{member.name}"] = f"{member.type} in a sequence{cap}"
            else:
                found[f"{prefix}.{field.name}"] = _field(field)
    return found


def _field(field: Field) -> str:

    cap = "" if field.cap is None else f"[{field.cap}]"
    if field.now:
        return f"{field.type}{cap} = now"
    if field.required:
        return f"{field.type}{cap}, required"
    return f"{field.type}{cap}" + ("" if field.default is None else f" = {literal(field.default)}")


def show_passes(program: Explained, name: str | None) -> Iterator[str]:

    module = program.lowered
    if module is None:
        raise InputError("a bundle holds the graph after all passes", help="name the .feat file")
    if name:
        module = only(module, name)
    shown = list(_graph_lines(module))
    yield f"after lower: {len(shown)} nodes"
    yield from shown
    for run_pass in PASSES:
        module = run_pass(module)
        before, shown = shown, list(_graph_lines(module))
        yield ""
        if shown == before:
            yield f"after {run_pass.__name__}: the same"
        else:
            yield f"after {run_pass.__name__}: {len(shown)} nodes"
            yield from shown


def _graph_lines(module: Module) -> Iterator[str]:
    operands: dict[int, tuple[str, int]] = {}
    for node in module.graph.nodes:
        text, bond = expression(node, [operands[arg.id] for arg in node.args])
        operands[node.id] = (text, bond) if node.op in ("input", "const") else (f"${node.id}", 10)
        yield f"  ${node.id:<5} {node.level.label:<9} {node.type!s:<20} {text}"
