"""What a program is, as one number: equal exactly when it computes the same things in the same way.

Paths, comments, docs, layout and the order of declarations do not count; expressions, types, defaults, caps,
vocabs, zones and the versions of the operators do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from compiler.graph_data import constant_to_data, graph_to_data, operator_versions, vocabs_of, zones_of
from compiler.ir import Module, Node
from compiler.schema_data import model_to_data, schema_to_data
from compiler.signature import ModelSignature
from featdsl.operators import OPERATORS
from featdsl.program import Schema
from featdsl.resources import Vocab, Zone


def fingerprint(schema: Schema, models: Iterable[ModelSignature], module: Module) -> str:
    """SHA-256 over the whole program, 64 hex digits. `module` is pruned, which numbers its nodes alike
    whatever the order of the file."""
    nodes = module.graph.nodes
    return _digest(
        {
            "ir": graph_to_data(module),
            "schema": _unordered(_without_docs(schema_to_data(schema))),
            "models": sorted((_without_docs(model_to_data(m)) for m in models), key=lambda m: str(m["name"])),
            "vocabs": {key: vocab.digest for key, vocab in vocabs_of(nodes).items()},
            "zones": {name: [zone.starts, zone.offsets] for name, zone in zones_of(nodes).items()},
            "operators": operator_versions(nodes),
        }
    )


def root_digests(schema: Schema, models: Iterable[ModelSignature], module: Module) -> dict[str, str]:
    """A digest for each root by name: of its expression, down to the declarations of what it reads."""
    inputs = _input_declarations(schema)
    for model in models:
        for column in model.outputs:
            inputs.setdefault(f"output.{column.name}", str(column.type))
    digests: list[str] = []
    for node in module.graph.nodes:
        digests.append(_digest(_node_content(node, inputs, digests)))
    return {
        name: _digest([digests[root.node.id], str(root.type), root.stage])
        for name, root in module.roots.items()
    }


def _node_content(node: Node, inputs: Mapping[str, Any], digests: list[str]) -> list[Any]:
    attributes: dict[str, Any] = {}
    for name, value in node.attributes:
        if isinstance(value, Vocab):
            attributes[name] = value.digest
        elif isinstance(value, Zone):
            attributes[name] = [value.starts, value.offsets]
        else:
            attributes[name] = constant_to_data(value)
    operator = OPERATORS.get(node.op)
    return [
        node.op,
        operator.version if operator else 0,
        str(node.type),
        attributes,
        node.overload,
        node.mapped,
        node.drops_null,
        [digests[arg.id] for arg in node.args],
        inputs.get(node.attribute("name"), "") if node.op == "input" else "",
    ]


def _input_declarations(schema: Schema) -> dict[str, Any]:
    data = _without_docs(schema_to_data(schema))
    found: dict[str, Any] = {entity["name"]: entity for entity in data["entities"]}
    for source in data["sources"]:
        origin = {key: value for key, value in source.items() if key not in ("name", "fields")}
        for field in source["fields"]:
            for member in field.get("fields", [None]):
                path = [source["name"], field["name"], *([member["name"]] if member else [])]
                found[".".join(path)] = [origin, field]
    for part in ("request", "candidate"):
        for field in data[part]:
            found[f"{part}.{field['name']}"] = field
    return found


def _without_docs(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_docs(value) for key, value in data.items() if key != "doc"}
    if isinstance(data, list):
        return [_without_docs(value) for value in data]
    return data


def _unordered(data: Any) -> Any:
    """Declarations sorted by name, at every depth."""
    if isinstance(data, dict):
        return {key: _unordered(value) for key, value in data.items()}
    if isinstance(data, list) and all(isinstance(value, dict) and "name" in value for value in data):
        return sorted((_unordered(value) for value in data), key=lambda value: str(value["name"]))
    return data


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
