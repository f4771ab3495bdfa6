"""Schema and model signatures as plain data (for JSON) and back."""

from __future__ import annotations

from typing import Any

from compiler.data import BadData, expect, members, parsed_type
from compiler.signature import ModelSignature, TensorSignature
from featdsl.levels import Level
from featdsl.program import Column, Entity, Field, Schema, Sequence, Source
from featdsl.types import FLOAT_KINDS, Kind, Type

_KEYS = (Kind.INT32, Kind.INT64, Kind.STRING)
_WHOLE = (Kind.INT32, Kind.INT64, Kind.TIMESTAMP)


def schema_to_data(schema: Schema) -> dict[str, Any]:
    return {
        "namespace": schema.namespace,
        "entities": [
            {"name": e.name, "type": str(e.type), "per_candidate": e.per_candidate, "doc": e.doc}
            for e in schema.entities
        ],
        "sources": [_source_to_data(source) for source in schema.sources],
        "request": [_field_to_data(field) for field in schema.request],
        "candidate": [_field_to_data(field) for field in schema.candidate],
    }


def schema_from_data(data: Any) -> Schema:
    """The schema that `schema_to_data` wrote. Errors: `BadData` for anything else."""
    content = members(data, namespace=str, entities=list, sources=list, request=list, candidate=list)
    schema = Schema(
        content["namespace"],
        tuple(_entity(entry) for entry in content["entities"]),
        tuple(_source(entry) for entry in content["sources"]),
        tuple(_field(entry) for entry in content["request"]),
        tuple(_field(entry) for entry in content["candidate"]),
    )
    _check_keys(schema)
    return schema


def _check_keys(schema: Schema) -> None:
    """A source has its key from an entity or a source before it; keys that are a list, from a source."""
    entities = {entity.name for entity in schema.entities}
    paths: set[str] = set()
    for source in schema.sources:
        is_there = source.key in paths or (source.key in entities and not source.per_element)
        expect(is_there, f"the source `{source.name}` has no key")
        for field in source.fields:
            inside = [f".{f.name}" for f in field.fields] if isinstance(field, Sequence) else [""]
            paths |= {f"{source.name}.{field.name}{member}" for member in inside}


def model_to_data(model: ModelSignature) -> dict[str, Any]:
    return {
        "name": model.name,
        "inputs": [
            {
                "name": tensor.name,
                "dtype": tensor.dtype,
                "shape": list(tensor.shape),
                "per_request": tensor.per_request,
                "doc": tensor.doc,
            }
            for tensor in model.inputs
        ],
        "labels": [_column_to_data(column) for column in model.labels],
        "outputs": [_column_to_data(column) for column in model.outputs],
        "has_keep": model.has_keep,
        "has_score": model.has_score,
        "doc": model.doc,
    }


def model_from_data(data: Any) -> ModelSignature:
    """The signature that `model_to_data` wrote. Errors: `BadData` for anything else."""
    content = members(
        data, name=str, inputs=list, labels=list, outputs=list, has_keep=bool, has_score=bool, doc=str
    )
    return ModelSignature(
        content["name"],
        tuple(_tensor(entry) for entry in content["inputs"]),
        tuple(_column(entry) for entry in content["labels"]),
        tuple(_column(entry) for entry in content["outputs"]),
        content["has_keep"],
        content["has_score"],
        content["doc"],
    )


def _tensor(data: Any) -> TensorSignature:
    content = members(data, name=str, dtype=str, shape=list, per_request=bool, doc=str)
    rows, *columns = content["shape"] or [0]
    expect(rows == (1 if content["per_request"] else None), "a tensor has no such shape")
    expect(len(columns) < 2 and all(type(n) is int and n > 0 for n in columns), "a tensor has no such shape")
    expect(parsed_type(content["dtype"]).is_scalar, "a tensor is of no scalar type")
    shape = tuple(content["shape"])
    return TensorSignature(content["name"], content["dtype"], shape, content["per_request"], content["doc"])


def _column_to_data(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": str(column.type), "doc": column.doc}


def _column(data: Any) -> Column:
    content = members(data, name=str, type=str, doc=str)
    return Column(content["name"], parsed_type(content["type"]), content["doc"])


def _source_to_data(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "key": source.key,
        "key_type": str(source.key_type),
        "level": source.level.label,
        "fields": [
            _sequence_to_data(field) if isinstance(field, Sequence) else _field_to_data(field)
            for field in source.fields
        ],
        "rows_of": source.rows_of,
        "per_element": source.per_element,
        "doc": source.doc,
    }


def _sequence_to_data(sequence: Sequence) -> dict[str, Any]:
    return {
        "name": sequence.name,
        "fields": [_field_to_data(field) for field in sequence.fields],
        "cap": sequence.cap,
        "doc": sequence.doc,
    }


def _field_to_data(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": str(field.type),
        "default": field.default,
        "cap": field.cap,
        "required": field.required,
        "now": field.now,
        "doc": field.doc,
    }


def _entity(data: Any) -> Entity:
    content = members(data, name=str, type=str, per_candidate=bool, doc=str)
    type = _key_type(content["type"])
    expect(not type.nullable, f"an entity has a key always: `{content['name']}`")
    return Entity(content["name"], type, content["per_candidate"], content["doc"])


def _key_type(text: str) -> Type:
    type = parsed_type(text)
    expect(type.kind in _KEYS, f"no key is of the type `{type}`")
    return type


def _source(data: Any) -> Source:
    content = members(
        data,
        name=str,
        key=str,
        key_type=str,
        level=str,
        fields=list,
        rows_of=str,
        per_element=bool,
        doc=str,
    )
    expect(content["level"].upper() in Level.__members__, "no such level")
    return Source(
        content["name"],
        content["key"],
        _key_type(content["key_type"]),
        Level[content["level"].upper()],
        tuple(
            _sequence(f) if isinstance(f, dict) and "fields" in f else _field(f) for f in content["fields"]
        ),
        content["rows_of"],
        content["per_element"],
        content["doc"],
    )


def _sequence(data: Any) -> Sequence:
    content = members(data, name=str, fields=list, cap=object, doc=str)
    fields = tuple(_field(entry) for entry in content["fields"])
    return Sequence(content["name"], fields, _cap(content["cap"]), content["doc"])


def _field(data: Any) -> Field:
    content = members(data, name=str, type=str, default=object, cap=object, required=bool, now=bool, doc=str)
    type = parsed_type(content["type"])
    expect(_is_default(content["default"], type), f"a default is not of its type: `{content['name']}`")
    cap = _cap(content["cap"])
    expect(cap is None or type.kind is Kind.LIST, f"what has a cap is no list: `{content['name']}`")
    return Field(
        content["name"],
        type,
        content["default"],
        cap,
        content["required"],
        content["now"],
        content["doc"],
    )


def _is_default(value: Any, type: Type) -> bool:
    """Whether a field of the type may have the default; a vector repeats one of its elements'."""
    kind = type.item.kind if type.kind is Kind.VECTOR else type.kind
    if value is None:
        return True
    if isinstance(value, bool) or kind is Kind.BOOL:
        return isinstance(value, bool) and kind is Kind.BOOL
    if isinstance(value, int):
        bits = 31 if kind is Kind.INT32 else 63
        return kind in FLOAT_KINDS or (kind in _WHOLE and -(2**bits) <= value < 2**bits)
    return isinstance(value, float if kind in FLOAT_KINDS else str) and kind in (*FLOAT_KINDS, Kind.STRING)


def _cap(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value < 2**63):
        raise BadData("a cap is no size")
    return value
