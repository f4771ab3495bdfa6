"""A checked program: what the checker hands to the compiler.

The schema part (everything but expressions) is plain data; the bundle stores it and the readers of
rows, the store and the servers are driven by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from featdsl.levels import Level
from featdsl.resources import Vocab
from featdsl.source_file import Span
from featdsl.state import FittedSite
from featdsl.typed import Constant, Typed
from featdsl.types import Type


@dataclass(frozen=True, slots=True)
class Entity:
    """`type` is int64, int32 or string. `per_candidate`: many a call; else one a call."""

    name: str
    type: Type
    per_candidate: bool
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field as declared, and what it reads as.

    A scalar or vector that is missing or null reads as `default` (None only where `type` is
    nullable; a vector's default is one element, repeated). Lists and maps read as empty. `cap` is
    the largest length kept, the first ones, after nulls are dropped. `required` (only in `request`
    and `candidate`): must be in the call. `now` (only `request`): reads as the call's time.
    """

    name: str
    type: Type
    default: Constant = None
    cap: int | None = None
    required: bool = False
    now: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Aligned lists under one name: field `f` is the input `source.name.f`, of type list<f.type>.
    A null element in any of the lists drops that position from all of them, before the cap; a
    nullable or defaulted field keeps the position (null reads as its default)."""

    name: str
    fields: tuple[Field, ...]
    cap: int | None = None
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """`key` is the input that holds its key: an entity's name, or the path of another source's field
    (`movie.director_id`: a second hop; `profile.clicks.item_id`: keyed by a list, then `per_element`
    is true and each scalar field is a list aligned with the key). `rows_of` names the source whose
    stored rows it reads: itself, or for `source clicked = movie of …` the source `movie`.
    `level` is REQUEST or ITEM (or PAIR for a hop over both)."""

    name: str
    key: str
    key_type: Type
    level: Level
    fields: tuple[Field | Sequence, ...]
    rows_of: str
    per_element: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Feature:
    """`value.type` is never nullable."""

    name: str
    value: Typed
    doc: str = ""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A tensor. `type` is its element type; `width` the size of the second dimension, or None for [n].
    `values`: one expression (a scalar, or a vector of `width`), or for a list literal one scalar a
    column. Each element is cast to `type` (bool to 0 and 1; to float32 to nearest even)."""

    name: str
    type: Type
    width: int | None
    per_request: bool
    values: tuple[Typed, ...]
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A label or a model output: a name and an element type."""

    name: str
    type: Type
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """`keep` is bool, `score` float64; None where the file has none."""

    name: str
    inputs: tuple[ModelInput, ...]
    labels: tuple[Column, ...]
    outputs: tuple[Column, ...]
    keep: Typed | None = None
    score: Typed | None = None
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a program reads. `request` and `candidate` are empty where the file has none."""

    namespace: str
    entities: tuple[Entity, ...]
    sources: tuple[Source, ...]
    request: tuple[Field, ...] = ()
    candidate: tuple[Field, ...] = ()

    def entity(self, name: str) -> Entity:
        return next(e for e in self.entities if e.name == name)

    def source(self, name: str) -> Source:
        return next(s for s in self.sources if s.name == name)


@dataclass(frozen=True, slots=True)
class FitSite:
    """A place where something is learned from data: the `statistic` of `argument` with these `parameters`.

    `id` is a digest of all three; `name` the declaration it stands in (the first, if there are several) and `of` the
    argument as written. `label`: whose means are learned. `state` is what was learned, None where nothing was."""

    id: str
    name: str
    statistic: str
    of: str
    parameters: Mapping[str, Any]
    argument: Typed
    span: Span
    label: Column | None = None
    state: FittedSite | None = None


@dataclass(frozen=True, slots=True)
class HashUse:
    """A `hash(x, buckets)`: `id` is a digest of it, `bucket` the node itself."""

    id: str
    of: str
    buckets: int
    bucket: Typed


@dataclass(frozen=True, slots=True)
class CheckedProgram:
    schema: Schema
    features: tuple[Feature, ...]
    models: tuple[Model, ...]
    vocabs: tuple[Vocab, ...] = ()
    lets: tuple[tuple[str, Typed], ...] = field(default=())
    """For `feat explain`: the names that people gave to inner expressions."""
    sites: tuple[FitSite, ...] = ()
    hashes: tuple[HashUse, ...] = ()
