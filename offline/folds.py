"""Folds: a training row's target mean is learned without the fold that the row is in.

A sample has a number: the language's `cross` of its keys, in the order in which the entities are declared, and of its
time in microseconds. Its fold is the floor modulo of that. `feat dataset` gives the number to the program's
`target_mean` nodes; everywhere else they have none and give the mean of all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.sql import functions

from compiler.bundle import Bundle
from compiler.fingerprint import fingerprint
from compiler.ir import Graph, Node
from compiler.native.emit import emit
from compiler.passes.place import place
from compiler.passes.prune import prune
from compiler.passes.rewrite import copy, rewrite
from compiler.passes.split import split
from compiler.spark.sql import column, text
from featdsl.errors import InputError
from featdsl.levels import Level
from featdsl.program import Field
from featdsl.types import INT64, Kind
from offline.layout import Layout

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SAMPLE = "$sample"
"""The field of `request` that holds a sample's number; no program can have one of this name."""

_MEANS, _SAMPLE_ARGUMENT = "target_mean", 1


def has_folds(bundle: Bundle, set_name: str) -> bool:
    """Whether a set's inputs depend on the fold of a row."""
    roots = [root.node for root in bundle.outputs(set_name).values() if root.stage != "after"]
    seen: set[int] = set()
    while roots:
        node = roots.pop()
        if node.id not in seen:
            seen.add(node.id)
            if node.op == _MEANS and len(node.attribute("otherwise")) > 1:
                return True
            roots += node.args
    return False


def out_of_fold(bundle: Bundle) -> Bundle:
    """The program whose target means leave out the fold of the sample `request.$sample`: for training rows only."""
    module = prune(place(rewrite(bundle.module, _with_sample)))
    schema = replace(bundle.schema, request=(*bundle.schema.request, Field(SAMPLE, INT64.optional())))
    programs = {name: {stage.name: emit(stage) for stage in split(module, name)} for name in bundle.sets}
    return Bundle(
        schema,
        bundle.models,
        module.graph,
        module.roots,
        programs,
        fingerprint(schema, bundle.models.values(), module),
        bundle.docs,
    )


def _with_sample(graph: Graph, node: Node, args: tuple[Node, ...]) -> Node:
    if node.op != _MEANS:
        return copy(graph, node, args)
    name = (("name", f"request.{SAMPLE}"),)
    sample = graph.node("input", INT64.optional(), Level.REQUEST, attributes=name)
    return copy(graph, node, (args[0], sample))


def sample_number(layout: Layout, entities: tuple[str, ...]) -> str:
    """The SQL of a sample's number. Errors: `InputError` where the rows lack what makes it."""
    parts = []
    for entity in entities:
        if entity not in layout.keys:
            raise InputError(
                f"the rows have no column `{entity}` to tell the folds of target means by",
                help="add it, or make the data as it is served, with the means of all: --as-served",
            )
        name, type = layout.keys[entity]
        key = column(name)
        parts.append(f"xxhash64({key if type.kind is Kind.STRING else f'cast({key} as bigint)'})")
    if layout.time is not None:
        parts.append(f"xxhash64(unix_micros({column(layout.time)}))")
    return f"xxhash64({', '.join(parts)})"


def with_sample_numbers(df: DataFrame, number: str) -> DataFrame:
    """Joined rows with `request.$sample`."""
    type = df.schema["request"].dataType if "request" in df.columns else None
    names = getattr(type, "names", [])
    parts = [f"{text(name)}, request.{column(name)}" for name in names if name != SAMPLE]
    return df.withColumn(
        "request", functions.expr(f"named_struct({', '.join([*parts, f'{text(SAMPLE)}, {number}'])})")
    )
