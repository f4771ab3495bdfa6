"""A program set as the engine runs it: its stages, and readers for what they need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from compiler.bundle import Bundle
from compiler.inputs import inputs_read, needed_fields, with_keys
from compiler.ir import column_of, set_of
from compiler.passes.split import made_by
from engine._engine import EngineError, Program, RowReader
from featdsl.errors import InputError
from featdsl.program import Field, Schema, Sequence


@dataclass(frozen=True)
class StagePrograms:
    """The native programs of a set, None where a stage has nothing to do.

    A stage reads the inputs of its own level (`user`, `profile.clicks.at`; `after` reads `output.<name>`) and
    columns `$<id>` that earlier stages make. Give it the batches of inputs and the *carried* columns
    (`carried`) of the earlier stages: outputs may be named like inputs.
    """

    schema: Schema
    inputs: frozenset[str]
    """All declared inputs that the set reads, `output.…` too."""
    request: Program | None = None
    item: Program | None = None
    pair: Program | None = None
    after: Program | None = None

    @cached_property
    def inputs_and_keys(self) -> frozenset[str]:
        """The inputs, and those that hold the keys of the sources to be fetched."""
        return with_keys(self.schema, self.inputs)

    def fields_of(self, name: str) -> tuple[Field | Sequence, ...]:
        """The fields of a source, `request` or `candidate` that have to be read; none: no need to fetch."""
        return needed_fields(name, _fields(self.schema, name), self.inputs_and_keys)

    def reader_of(self, name: str) -> RowReader:
        """A reader for rows of a source, `request` or `candidate`: the fields that have to be read."""
        return row_reader(name, self.fields_of(name))


def stage_programs(bundle: Bundle, set_name: str) -> StagePrograms:
    """The programs of a set, loaded. Errors: `InputError` if the engine does not take one, or if they do not make what
    the bundle says."""
    roots = {name: root for name, root in bundle.roots.items() if set_of(name) == set_name}
    try:
        programs = {stage: Program(data) for stage, data in bundle.stages(set_name).items()}
    except EngineError as error:
        raise InputError(f"the engine does not take the program `{set_name}`: {error}") from None
    made = {stage: dict(program.outputs) for stage, program in programs.items()}
    for name, root in roots.items():
        column = column_of(name)
        stages = (root.stage, made_by(name, root))
        if not any(made.get(stage, {}).get(column) == str(root.type) for stage in stages):
            raise InputError(f"the program `{set_name}` does not make `{column}` as `{root.type}`")
    return StagePrograms(bundle.schema, inputs_read(root.node for root in roots.values()), **programs)


def carried(names: Iterable[str]) -> list[str]:
    """Of a stage's output columns those that later stages read."""
    return [name for name in names if name.startswith("$")]


def row_reader(prefix: str, fields: Iterable[Field | Sequence]) -> RowReader:
    """A reader for these fields (see `engine.RowReader`). Errors: `InputError` for fields no checked program has."""
    flat: list[tuple[str, str, Any, int | None, str]] = []
    sequences: list[tuple[str, int | None]] = []
    for field in fields:
        if isinstance(field, Sequence):
            sequences.append((field.name, field.cap))
            flat += [_specification(member, field.name) for member in field.fields]
        else:
            flat.append(_specification(field, ""))
    try:
        return RowReader(prefix, flat, sequences)
    except EngineError as error:
        raise InputError(f"the engine does not read the fields of `{prefix}`: {error}") from None


def _specification(field: Field, sequence: str) -> tuple[str, str, Any, int | None, str]:
    return field.name, str(field.type), field.default, field.cap, sequence


def _fields(schema: Schema, name: str) -> tuple[Field | Sequence, ...]:
    if name == "request":
        return schema.request
    return schema.candidate if name == "candidate" else schema.source(name).fields
