"""Warnings about declarations of a program's own file that nothing uses. What is imported may be there for others,
and so is a file that has neither a feature nor a model."""

from __future__ import annotations

from collections.abc import Iterator

from featdsl.check.names import KINDS, Named, Names
from featdsl.check.order import names_in
from featdsl.check.schema import path_of
from featdsl.diagnostics import Diagnostics
from featdsl.syntax import tree


def warn_of_unused(names: Names, main: tree.File, diagnostics: Diagnostics) -> None:
    """W0103 for what nothing uses, W0104 for a feature that no model uses."""
    own = [d for d in main.declarations if isinstance(d, Named) and names.declared.get(d.name.name) is d]
    models = any(isinstance(d, tree.Model) for d in own)
    if not models and not any(isinstance(d, tree.Feature) for d in own):
        return
    used = {name for declared in names.declared.values() for name in _used_by(declared)}
    for declared in own:
        name = declared.name.name
        if name in used or isinstance(declared, tree.Model):
            continue
        if isinstance(declared, tree.Feature):
            if models:
                diagnostics.warning(
                    "W0104",
                    f"no model uses the feature: `{name}`",
                    declared.name.span,
                    help="make it an input of a model, or leave it out",
                )
        elif not isinstance(declared, tree.Entity) or not _needed(declared, names):
            kind = KINDS[type(declared)].partition(" ")[2]
            diagnostics.warning(
                "W0103",
                f"nothing uses the {kind}: `{name}`",
                declared.name.span,
                help="leave it out, or move it to a file that is imported where it is used",
            )


def _used_by(declared: Named) -> Iterator[str]:
    """The names that a declaration uses."""
    if isinstance(declared, (tree.Source, tree.SourceAlias)):
        yield from (path[0].name for path in [path_of(declared.key)] if path)
    if isinstance(declared, tree.SourceAlias):
        yield declared.origin.name
    parameters = {p.name.name for p in declared.parameters} if isinstance(declared, tree.Def) else set()
    for expression in _expressions(declared):
        for name, called in names_in(expression):
            if called or name not in parameters:
                yield name


def _expressions(declared: Named) -> list[tree.Expr]:
    if isinstance(declared, (tree.Def, tree.Let, tree.Feature)):
        return [declared.body]
    if isinstance(declared, tree.Model):
        after = [e for e in (declared.keep, declared.score) if e is not None]
        return [*(i.body for i in declared.inputs), *after]
    return []


def _needed(entity: tree.Entity, names: Names) -> bool:
    """A call has a request and candidates, whether a key is looked at or not: the only entity of its kind stays."""
    others = [d for d in names.of(tree.Entity) if isinstance(d, tree.Entity) and d.per == entity.per]
    return len(others) == 1
