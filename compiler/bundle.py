"""A compiled program: everything that is needed to run it, and nothing that is executed on load."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from compiler.archive import read_archive, write_archive
from compiler.bundle_files import files_of, parts_of
from compiler.data import BadData
from compiler.fingerprint import fingerprint, root_digests
from compiler.graph_data import vocabs_of
from compiler.ir import Graph, Module, Root, column_of, feature_root, set_of
from compiler.lower import lower
from compiler.native.emit import emit
from compiler.passes import optimize
from compiler.passes.split import split
from compiler.signature import ModelSignature, TensorSignature, signature_of
from featdsl.errors import InputError
from featdsl.program import CheckedProgram, Schema
from featdsl.resources import Vocab
from featdsl.types import Type

__all__ = [
    "Bundle",
    "ModelSignature",
    "TensorSignature",
    "build",
    "compile_program",
    "feature_differences",
    "read_bundle",
    "write_bundle",
]


@dataclass(frozen=True)
class Bundle:
    """A program as built: `compile_program` makes one, `read_bundle` reads one, `write_bundle` writes it.

    `graph` and `roots` are the IR after all passes. `programs[set][stage]` are native programs
    (`engine.Program` reads them); the sets are `features` and `model/<name>`. `docs` are those of the
    features that have one. `fingerprint` is 64 hex digits.
    """

    schema: Schema = field(repr=False)
    models: Mapping[str, ModelSignature] = field(repr=False)
    graph: Graph = field(repr=False)
    roots: Mapping[str, Root] = field(repr=False)
    programs: Mapping[str, Mapping[str, bytes]] = field(repr=False)
    fingerprint: str
    docs: Mapping[str, str] = field(default_factory=dict)

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the program sets: `features`, `model/<name>`…"""
        return tuple(self.programs)

    @cached_property
    def features(self) -> Mapping[str, Type]:
        """Each feature's type as it is stored, in order of declaration."""
        prefix = feature_root("")
        return {n.removeprefix(prefix): r.type for n, r in self.roots.items() if n.startswith(prefix)}

    @cached_property
    def module(self) -> Module:
        return Module(self.graph, self.roots)

    @cached_property
    def vocabs(self) -> tuple[Vocab, ...]:
        """The vocabs that the program looks values up in."""
        return tuple(vocabs_of(self.graph.nodes).values())

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """A digest of each root (see `feature_differences`), such as a model's manifest may keep."""
        return root_digests(self.schema, self.models.values(), self.module)

    def stages(self, set_name: str) -> Mapping[str, bytes]:
        """The native programs of a set by stage, in the order in which they run; a stage with nothing to
        do is not there. Errors: `InputError` for a set that the program does not have."""
        if set_name not in self.programs:
            known = ", ".join(self.programs)
            raise InputError(f"the program has no such set: {set_name}", help=f"it has: {known}")
        return self.programs[set_name]

    def model(self, name: str) -> ModelSignature:
        """The signature of a model. Errors: `InputError` for a name that the program does not have."""
        if name not in self.models:
            known = ", ".join(self.models) or "none"
            raise InputError(f"the program has no such model: {name}", help=f"its models: {known}")
        return self.models[name]

    def outputs(self, set_name: str) -> Mapping[str, Root]:
        """The columns that a set makes, by column name, in order of declaration: for `features` the
        features, for `model/<name>` its inputs, then `keep` and `score` where it has them."""
        self.stages(set_name)
        return {column_of(name): root for name, root in self.roots.items() if set_of(name) == set_name}

    def only(self, features: Iterable[str]) -> Bundle:
        """A bundle with these features alone, in this order, and no models: for trying them out. It keeps the
        fingerprint. Errors: `InputError` for a name that the program does not have."""
        names = list(dict.fromkeys(features))
        for name in names:
            if name not in self.features:
                near = difflib.get_close_matches(name, self.features, n=1)
                known = f"did you mean `{near[0]}`?" if near else f"it has: {', '.join(self.features)}"
                raise InputError(f"the program has no such feature: {name}", help=known)
        roots = {feature_root(name): self.roots[feature_root(name)] for name in names}
        return _with_roots(self, optimize(Module(self.graph, roots)))


def _with_roots(bundle: Bundle, module: Module) -> Bundle:
    programs = {"features": {stage.name: emit(stage) for stage in split(module, "features")}}
    return replace(bundle, models={}, graph=module.graph, roots=module.roots, programs=programs)


def compile_program(program: CheckedProgram) -> Bundle:
    """The bundle of a checked program."""
    module = optimize(lower(program))
    models = {model.name: signature_of(model) for model in program.models}
    set_names = ["features", *(f"model/{name}" for name in models)]
    return Bundle(
        program.schema,
        models,
        module.graph,
        module.roots,
        {name: {stage.name: emit(stage) for stage in split(module, name)} for name in set_names},
        fingerprint(program.schema, models.values(), module),
        {feature.name: feature.doc for feature in program.features if feature.doc},
    )


def build(path: str | Path) -> Bundle:
    """The bundle of a `.feat` file. Errors: `InputError` whose message holds the rendered mistakes."""
    from featdsl.check import check
    from featdsl.rendering import as_text

    checked = check(str(path))
    mistakes = [d for d in checked.diagnostics if d.severity == "error"]
    if checked.program is None:
        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise InputError(f"the program has {count}\n\n{as_text(mistakes)}")
    return compile_program(checked.program)


def write_bundle(bundle: Bundle, path: str | Path) -> None:
    """Writes a bundle: one file where `path` ends with `.featb`, else a folder; aside, then renamed. Errors:
    `InputError` where something that is not a bundle stands there, or writing fails."""
    facts = {"fingerprint": bundle.fingerprint, "namespace": bundle.schema.namespace}
    write_archive(path, files_of(bundle), facts)


def read_bundle(path: str | Path) -> Bundle:
    """Reads a bundle and verifies it whole: checksums, structure, operator versions, fingerprint. Errors:
    `InputError` for anything that is not a bundle of this version, undamaged."""
    try:
        files, facts = read_archive(path)
        parts = parts_of(files)
        bundle = Bundle(**parts, fingerprint=facts.get("fingerprint", ""))
        found = fingerprint(bundle.schema, bundle.models.values(), bundle.module)
    except BadData as error:
        raise InputError(
            f"it is not a bundle that can be read: {error}: {path}", help="`feat build` makes one"
        ) from None
    if found != bundle.fingerprint or facts.get("namespace") != bundle.schema.namespace:
        raise InputError(
            f"the bundle's fingerprint is not that of its content: {path}", help="`feat build` makes one anew"
        )
    return bundle


def feature_differences(old: Bundle | Mapping[str, str], new: Bundle | Mapping[str, str]) -> dict[str, str]:
    """What two programs compute differently, by root name (`feature/taste`, `model/ranker/input/dense`):
    `changed`, `added` or `removed`. Takes bundles or their `digests`."""
    before = old.digests if isinstance(old, Bundle) else old
    after = new.digests if isinstance(new, Bundle) else new
    found = {name: "removed" for name in before if name not in after}
    for name, digest in after.items():
        if name not in before:
            found[name] = "added"
        elif before[name] != digest:
            found[name] = "changed"
    return found
