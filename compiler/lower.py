"""Lowering: the typed graph of the checker becomes the IR, with a named root for each result."""

from __future__ import annotations

from collections.abc import Iterable

from compiler.cast import cast, cast_columns
from compiler.ir import Graph, Module, Node, Root, feature_root, input_root
from featdsl.program import CheckedProgram, ModelInput
from featdsl.typed import Typed
from featdsl.types import BOOL, FLOAT64, Kind, Type, vector_of

Lowered = dict[Typed, Node]


def lower(program: CheckedProgram) -> Module:
    """The IR of a checked program, before any pass."""
    graph = Graph()
    nodes = lower_expressions(graph, _expressions(program))
    roots: dict[str, Root] = {}
    for feature in program.features:
        roots[feature_root(feature.name)] = Root(nodes[feature.value], feature.value.type)
    for model in program.models:
        for tensor in model.inputs:
            roots[input_root(model.name, tensor.name)] = _lower_input(graph, nodes, tensor)
        if model.keep is not None:
            keep = cast(graph, nodes[model.keep], BOOL)
            roots[f"model/{model.name}/keep"] = Root(keep, BOOL, "after")
        if model.score is not None:
            score = cast(graph, nodes[model.score], FLOAT64)
            roots[f"model/{model.name}/score"] = Root(score, FLOAT64, "after")
    labels = {nodes[value].id: name for name, value in program.lets if value in nodes}
    return Module(graph, roots, labels)


def tensor_type(tensor: ModelInput) -> Type:
    """A model input's type as a column: a scalar, or a vector of its width."""
    return tensor.type if tensor.width is None else vector_of(tensor.type, tensor.width)


def _expressions(program: CheckedProgram) -> Iterable[Typed]:
    for feature in program.features:
        yield feature.value
    for model in program.models:
        for tensor in model.inputs:
            yield from tensor.values
        yield from (value for value in (model.keep, model.score) if value is not None)


def lower_expressions(graph: Graph, roots: Iterable[Typed]) -> Lowered:
    """Each expression once, arguments first, with a stack of our own: chains may be very deep."""
    nodes: Lowered = {}
    for root in roots:
        stack = [root]
        while stack:
            value = stack[-1]
            waiting = [a for a in value.args if a not in nodes] if value not in nodes else []
            if waiting:
                stack += reversed(waiting)
                continue
            stack.pop()
            if value not in nodes:
                nodes[value] = graph.node(
                    value.op,
                    value.type,
                    value.level,
                    tuple(nodes[a] for a in value.args),
                    value.attributes,
                    value.overload,
                    value.mapped,
                    value.drops_null,
                )
    return nodes


def _lower_input(graph: Graph, nodes: Lowered, tensor: ModelInput) -> Root:
    values = [nodes[value] for value in tensor.values]
    stage = "request" if tensor.per_request else "pair"
    if tensor.width is None or (len(values) == 1 and values[0].type.kind is Kind.VECTOR):
        return Root(cast(graph, values[0], tensor.type), tensor_type(tensor), stage)
    return Root(cast_columns(graph, values, tensor.type), tensor_type(tensor), stage)
