"""A bundle as files by name, and back.

schema.json           schema, model signatures, features in order with their docs, operator versions
ir.json               the graph and its roots
zones.json            time zones by name
vocab/<name>.json     the entries of a vocab
native/<set>/<stage>  programs, such as `native/model/ranker/pair`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from compiler.archive import dump, load
from compiler.data import BadData, expect, members
from compiler.graph_data import (
    graph_from_data,
    graph_to_data,
    operator_versions,
    vocab_key,
    vocabs_of,
    zones_of,
)
from compiler.ir import STAGES, Module, Root, feature_root, input_root
from compiler.schema_data import model_from_data, model_to_data, schema_from_data, schema_to_data
from compiler.signature import ModelSignature
from featdsl.operators import OPERATORS
from featdsl.program import Schema
from featdsl.resources import Vocab, Zone
from featdsl.types import Kind, Type, vector_of

if TYPE_CHECKING:
    from compiler.bundle import Bundle


def files_of(bundle: Bundle) -> dict[str, bytes]:
    nodes = bundle.graph.nodes
    vocabs = vocabs_of(nodes)
    contract = {
        "schema": schema_to_data(bundle.schema),
        "models": [model_to_data(model) for model in bundle.models.values()],
        "features": [{"name": name, "doc": bundle.docs.get(name, "")} for name in bundle.features],
        "operators": operator_versions(nodes),
        "vocabs": {key: vocab.name for key, vocab in vocabs.items()},
    }
    zones = {name: {"starts": z.starts, "offsets": z.offsets} for name, z in zones_of(nodes).items()}
    files = {
        "schema.json": dump(contract),
        "ir.json": dump(graph_to_data(bundle.module)),
        "zones.json": dump(zones),
    }
    files |= {f"vocab/{key}.json": dump(vocab.entries) for key, vocab in vocabs.items()}
    for set_name, programs in bundle.programs.items():
        files |= {f"native/{set_name}/{stage}": program for stage, program in programs.items()}
    return files


def parts_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The arguments of `Bundle`, but for its fingerprint. Errors: `BadData`."""
    contract = members(
        _json(files, "schema.json"), schema=dict, models=list, features=list, operators=dict, vocabs=dict
    )
    _check_versions(contract["operators"])
    vocabs = {key: _vocab(files, key, name) for key, name in contract["vocabs"].items()}
    zones = {name: _zone(name, data) for name, data in _table(files, "zones.json").items()}
    module = graph_from_data(_json(files, "ir.json"), vocabs, zones)
    schema = schema_from_data(contract["schema"])
    signatures = [model_from_data(data) for data in contract["models"]]
    models = {model.name: model for model in signatures}
    features = {
        data["name"]: data["doc"] for data in (members(f, name=str, doc=str) for f in contract["features"])
    }
    roots = _roots_in_order(module, features, models)
    _check_inputs(module, schema, models)
    set_names = ["features", *(f"model/{name}" for name in models)]
    return {
        "schema": schema,
        "models": models,
        "graph": module.graph,
        "roots": roots,
        "programs": {name: _programs(files, name) for name in set_names},
        "docs": {name: doc for name, doc in features.items() if doc},
    }


def _json(files: Mapping[str, bytes], name: str) -> Any:
    expect(name in files, f"`{name}` is missing")
    data = load(files[name])
    expect(isinstance(data, dict | list), f"`{name}` is damaged")
    return data


def _table(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    data = _json(files, name)
    expect(isinstance(data, dict), f"`{name}` is damaged")
    return dict(data)


def _check_versions(wanted: Mapping[str, Any]) -> None:
    for name, version in wanted.items():
        known = OPERATORS[name].version if name in OPERATORS else None
        if known != version:
            raise BadData(
                f"this featdsl has another version of the operator `{name}`: {known}, not {version}"
            )


def _vocab(files: Mapping[str, bytes], key: str, name: Any) -> Vocab:
    expect(isinstance(name, str), "a vocab has no name")
    entries = _json(files, f"vocab/{key}.json")
    alike = isinstance(entries, list) and len({type(entry) for entry in entries} | {str}) <= 2
    kinds = {type(entry) for entry in entries} if alike else {object}
    expect(kinds in (set(), {str}, {int}), f"the vocab `{name}` is damaged")
    vocab = Vocab.of(name, tuple(entries))
    expect(vocab_key(vocab) == key, f"the vocab `{name}` is damaged")
    return vocab


def _zone(name: str, data: Any) -> Zone:
    content = members(data, starts=list, offsets=list)
    whole = all(type(n) is int and abs(n) < 2**63 for n in content["starts"] + content["offsets"])
    aligned = len(content["starts"]) == len(content["offsets"]) > 0
    expect(whole and aligned and content["starts"] == sorted(content["starts"]), f"zone `{name}` is damaged")
    return Zone(name, tuple(content["starts"]), tuple(content["offsets"]))


def _roots_in_order(
    module: Module, features: Mapping[str, str], models: Mapping[str, ModelSignature]
) -> dict[str, Root]:
    wanted: dict[str, tuple[Type | None, str]] = {feature_root(name): (None, "pair") for name in features}
    for model in models.values():
        for tensor in model.inputs:
            stored = Type(Kind(tensor.dtype))
            if len(tensor.shape) == 2 and tensor.shape[1]:
                stored = vector_of(stored, tensor.shape[1])
            stage = "request" if tensor.per_request else "pair"
            wanted[input_root(model.name, tensor.name)] = (stored, stage)
        for name, present in (("keep", model.has_keep), ("score", model.has_score)):
            if present:
                wanted[f"model/{model.name}/{name}"] = (None, "after")
    expect(set(wanted) == set(module.roots), "the roots are not those of the features and models")
    for name, (declared, stage) in wanted.items():
        root = module.roots[name]
        expect(root.stage == stage and declared in (None, root.type), f"the root `{name}` is of another type")
    return {name: module.roots[name] for name in wanted}


def _check_inputs(module: Module, schema: Schema, models: Mapping[str, ModelSignature]) -> None:
    known = {entity.name for entity in schema.entities}
    known |= {f"output.{column.name}" for model in models.values() for column in model.outputs}
    fields = [*((f"{s.name}", f) for s in schema.sources for f in s.fields)]
    fields += [("request", f) for f in schema.request] + [("candidate", f) for f in schema.candidate]
    for prefix, field in fields:
        members_of = getattr(field, "fields", None)
        if members_of is None:
            known.add(f"{prefix}.{field.name}")
        else:
            known |= {f"{prefix}.{field.name}.{member.name}" for member in members_of}
    for node in module.graph.nodes:
        expect(node.op != "input" or node.attribute("name") in known, "the graph reads an unknown input")


def _programs(files: Mapping[str, bytes], set_name: str) -> dict[str, bytes]:
    found = {stage: files.get(f"native/{set_name}/{stage}") for stage in STAGES}
    return {stage: data for stage, data in found.items() if data is not None}
