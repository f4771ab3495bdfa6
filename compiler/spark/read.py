"""The input rules in Spark SQL: joined rows to a program's inputs (see `compiler/reference/read.py`).

A row, struct or field that is missing or null reads as the field's default; NaN and infinity, and text that
is not UTF-8, read as null; null elements are dropped, then the cap holds; a sequence drops positions from all
its lists at once. What has another type or does not fit is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyspark.sql.types as st

from compiler.spark.read_values import read_default, read_value
from compiler.spark.sql import column, held_as, literal, text
from featdsl.errors import InputError
from featdsl.program import Field, Schema, Sequence, Source
from featdsl.types import Type

_PLACE = "#"
"""The member of a sequence's rows that holds the position as given."""


@dataclass(slots=True)
class Inputs:
    """SQL by input name. It uses columns that have to be made before: of `sequences`, a list of structs each, and
    then of `lists`, the rows of a source that is keyed by a list, one an element of the key."""

    inputs: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)


def read_inputs(schema: Schema, given: st.StructType, names: Iterable[str]) -> Inputs:
    """How the named inputs are read from columns of type `given`. Errors: `InputError` for a column of another
    type, and for a key or required field without a column."""
    reader = _Reader(schema, given)
    for name in names:
        reader.found.inputs[name] = reader.read(name)
    return reader.found


def read_one(schema: Schema, given: st.StructType, name: str) -> str:
    """One input as a single SQL expression: to join by a field of another source."""
    found = read_inputs(schema, given, [name])
    value = found.inputs[name]
    for made in (found.lists, found.sequences):
        for rows, expression in made.items():
            value = value.replace(column(rows), expression)
    return value


class _Reader:
    def __init__(self, schema: Schema, given: st.StructType) -> None:
        self.found = Inputs()
        self._schema = schema
        self._given = given
        self._sources = {source.name: source for source in schema.sources}

    def read(self, name: str) -> str:
        prefix, _, rest = name.partition(".")
        if not rest:
            return self._key(name)
        of, _, member = rest.partition(".")
        fields = {"request": self._schema.request, "candidate": self._schema.candidate}.get(prefix)
        wanted = next(f for f in fields or self._sources[prefix].fields if f.name == of)
        source = self._sources.get(prefix)
        type = _type_of(self._given, prefix)
        if source is not None and source.per_element:
            return self._per_element(name, wanted, member, source, type)
        struct = _struct(prefix, type)
        if isinstance(wanted, Field):
            return _field(name, wanted, column(prefix), struct)
        return f"transform({self._rows(prefix, wanted, struct)}, r_ -> r_.{column(member)})"

    def _key(self, name: str) -> str:
        type = _type_of(self._given, name)
        if type is None:
            raise InputError(
                f"the rows have no column for the key `{name}`",
                help=f"the columns are: {', '.join(self._given.names)}",
            )
        value = read_value(name, self._schema.entity(name).type, column(name), type)
        return f"coalesce({value}, raise_error({text(f'column `{name}` has no key in a row')}))"

    def _rows(self, prefix: str, wanted: Sequence, struct: st.StructType | None) -> str:
        """The column of a sequence's rows."""
        rows = f"#{prefix}.{wanted.name}"
        if rows not in self.found.sequences:
            self.found.sequences[rows] = _sequence(f"{prefix}.{wanted.name}", wanted, column(prefix), struct)
        return column(rows)

    def _per_element(
        self, name: str, wanted: Field | Sequence, member: str, source: Source, type: st.DataType | None
    ) -> str:
        key = self.read(source.key)
        element = None
        if type is not None:
            if not isinstance(type, st.ArrayType):
                raise InputError(f"`{source.name}` is not a list of structs: {type.simpleString()}")
            element = _struct(source.name, type.elementType)
        if element is not None:
            rows = f"#{source.name}"
            if rows not in self.found.lists:
                self.found.lists[rows] = self._aligned(source, key, element)
            key = column(rows)
        if isinstance(wanted, Field):
            return f"transform({key}, s_ -> {_field(name, wanted, 's_', element)})"
        rows = _sequence(name.rpartition(".")[0], wanted, "s_", element)
        return f"transform({key}, s_ -> transform({rows}, r_ -> r_.{column(member)}))"

    def _aligned(self, source: Source, key: str, element: st.StructType) -> str:
        """The rows of a source keyed by a list: as many as the key has as read, or as it was given with."""
        given = column(source.name)
        missing = f"array_repeat(cast(null as {element.simpleString()}), size({key}))"
        wrong = f"raise_error({text(f'`{source.name}` has another number of rows than `{source.key}`')})"
        if self._sources[source.key.split(".")[0]].per_element:
            fitting = f"when size({given}) = size({key}) then {given} else {wrong}"
            return f"case when {given} is null then {missing} {fitting} end"
        kept, length = self._kept(source.key)
        return (
            f"case when {given} is null then {missing} when size({given}) = size({key}) then {given} "
            f"when size({given}) = {length} then transform({kept}, p_ -> get({given}, p_)) else {wrong} end"
        )

    def _kept(self, key: str) -> tuple[str, str]:
        """The positions of a key's list that are kept, and its length as given."""
        prefix, name, *_ = key.split(".")
        wanted = next(f for f in self._sources[prefix].fields if f.name == name)
        struct = _struct(prefix, _type_of(self._given, prefix))
        type = _type_of(struct, name)
        whole = f"{column(prefix)}.{column(name)}"
        if isinstance(wanted, Sequence):
            kept = f"transform({self._rows(prefix, wanted, struct)}, r_ -> r_.{column(_PLACE)})"
            if isinstance(type, st.ArrayType):
                return kept, f"size({whole})"
            lists = [f.name for f in wanted.fields if _type_of(_struct(key, type), f.name) is not None]
            sizes = ", ".join(f"coalesce(array_size({whole}.{column(one)}), 0)" for one in lists)
            return kept, f"array_max(array({sizes}))"
        if not isinstance(type, st.ArrayType):
            return "cast(array() as array<int>)", "0"
        read = read_value(key, wanted.type.item, "x_", type.elementType)
        kept = f"filter(transform({whole}, (x_, i_) -> if({read} is null, null, i_)), x_ -> x_ is not null)"
        return kept if wanted.cap is None else f"slice({kept}, 1, {wanted.cap})", f"size({whole})"


def _struct(name: str, type: st.DataType | None) -> st.StructType | None:
    if type is None or isinstance(type, st.StructType):
        return type
    raise InputError(f"`{name}` is not a struct: {type.simpleString()}")


def _type_of(struct: st.StructType | None, name: str) -> st.DataType | None:
    """The type of a field; None where there is none (or where it holds only nulls)."""
    if struct is None or name not in struct.names:
        return None
    type = struct[name].dataType
    return None if isinstance(type, st.NullType) else type


def _field(name: str, wanted: Field, base: str, struct: st.StructType | None) -> str:
    """A field of the struct `base`, with its default."""
    type = _type_of(struct, wanted.name)
    value = None
    if type is not None:
        value = read_value(name, wanted.type, f"{base}.{column(wanted.name)}", type, wanted.cap)
    default = read_default(wanted)
    if default is None and not wanted.type.nullable:
        if value is None:
            raise InputError(f"`{name}` is required, and the rows have no such column")
        default = f"raise_error({text(f'`{name}` is required')})"
    return _or_default(value, default, wanted.type)


def _or_default(value: str | None, default: str | None, type: Type) -> str:
    if value is None:
        return default or literal(None, type)
    return value if default is None else f"coalesce({value}, {default})"


def _sequence(name: str, wanted: Sequence, base: str, struct: st.StructType | None) -> str:
    """A sequence as a list of structs, one a position that is kept."""
    type = _type_of(struct, wanted.name)
    whole = f"{base}.{column(wanted.name)}"
    if type is None:
        members = [f"{column(f.name)}: {held_as(f.type)}" for f in wanted.fields] + [f"{column(_PLACE)}: int"]
        return f"cast(array() as array<struct<{', '.join(members)}>>)"
    if isinstance(type, st.ArrayType):
        element = _struct(name, type.elementType)
        positions = f"coalesce({whole}, array())"
        accesses = {f.name: (f"p_.{column(f.name)}", _type_of(element, f.name)) for f in wanted.fields}
    elif isinstance(type, st.StructType):
        positions, accesses = _zipped(name, wanted, whole, type)
    else:
        found = type.simpleString()
        raise InputError(f"`{name}` is neither a struct of lists nor a list of structs: {found}")
    values = []
    for f in wanted.fields:
        access, given = accesses[f.name]
        value = None if given is None else read_value(f"{name}.{f.name}", f.type, access, given, f.cap)
        values += [text(f.name), _or_default(value, read_default(f), f.type)]
    made = f"named_struct({', '.join(values)}, {text(_PLACE)}, i_)"
    needed = [f"r_.{column(f.name)} is not null" for f in wanted.fields if not f.type.nullable]
    rows = f"transform({positions}, (p_, i_) -> if(p_ is null, null, {made}))"
    rows = f"filter({rows}, r_ -> {' and '.join(['r_ is not null', *needed])})"
    return rows if wanted.cap is None else f"slice({rows}, 1, {wanted.cap})"


def _zipped(
    name: str, wanted: Sequence, whole: str, type: st.StructType
) -> tuple[str, dict[str, tuple[str, st.DataType | None]]]:
    """Parallel lists side by side; a list that is null or absent is null at every position."""
    lists: list[str] = []
    accesses: dict[str, tuple[str, st.DataType | None]] = {}
    for f in wanted.fields:
        given = _type_of(type, f.name)
        if given is None:
            accesses[f.name] = ("", None)
            continue
        if not isinstance(given, st.ArrayType):
            raise InputError(f"`{name}.{f.name}` is not a list: {given.simpleString()}")
        accesses[f.name] = (f"p_.{column(str(len(lists)))}", given.elementType)
        lists.append(f"{whole}.{column(f.name)}")
    if not lists:
        return "cast(array() as array<int>)", accesses
    zipped = f"arrays_zip({', '.join(f'coalesce({one}, array())' for one in lists)})"
    if len(lists) > 1:
        sizes = f"array_compact(array({', '.join(f'array_size({one})' for one in lists)}))"
        alike = f"coalesce(array_min({sizes}) = array_max({sizes}), true)"
        wrong = f"raise_error({text(f'the lists of `{name}` differ in length')})"
        zipped = f"if({alike}, {zipped}, {wrong})"
    return zipped, accesses
