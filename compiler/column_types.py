"""Which Arrow types a declared field reads: asked once a column, so that both runners refuse the same."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.types as kinds

from featdsl.errors import InputError
from featdsl.program import Field, Sequence
from featdsl.types import FLOAT_KINDS, Kind, Type, list_of

_LISTS = (
    kinds.is_list,
    kinds.is_large_list,
    kinds.is_fixed_size_list,
    kinds.is_list_view,
    kinds.is_large_list_view,
)
_TEXTS = (
    kinds.is_string,
    kinds.is_large_string,
    kinds.is_string_view,
    kinds.is_binary,
    kinds.is_large_binary,
    kinds.is_binary_view,
)


def check_types(prefix: str, fields: Iterable[Field | Sequence], struct: pa.StructType) -> None:
    """Errors: `InputError` for a field of `struct` that holds another type than what is declared."""
    for field in fields:
        index = struct.get_field_index(field.name)
        if index < 0:
            continue
        name, column = f"{prefix}.{field.name}", _plain(struct.field(index).type)
        if isinstance(field, Field):
            _check(name, field.type, column)
        elif is_list(column) and kinds.is_struct(_plain(column.value_type)):
            check_types(name, field.fields, _plain(column.value_type))
        elif kinds.is_struct(column):
            _check_lists(name, field, column)
        elif not (kinds.is_null(column) or (is_list(column) and kinds.is_null(_plain(column.value_type)))):
            raise _mismatch(name, "a sequence", column)


def is_list(column: pa.DataType) -> bool:
    """Whether a column holds lists, of any of Arrow's layouts."""
    return any(test(column) for test in _LISTS)


def _check_lists(name: str, sequence: Sequence, struct: pa.StructType) -> None:
    for field in sequence.fields:
        index = struct.get_field_index(field.name)
        if index >= 0:
            _check(f"{name}.{field.name}", list_of(field.type), _plain(struct.field(index).type))


def _check(name: str, declared: Type, column: pa.DataType) -> None:
    if not _fits(declared, column):
        raise _mismatch(name, declared, column)


def _fits(declared: Type, column: pa.DataType) -> bool:
    column = _plain(column)
    if kinds.is_null(column):
        return True
    if declared.is_listlike:
        return is_list(column) and _fits(declared.item, column.value_type)
    if declared.kind is Kind.MAP:
        entry = _entry(column)
        if entry is None or declared.key is None:
            return False
        return _fits(declared.key, entry[0]) and _fits(declared.item, entry[1])
    return _reads(declared.kind, column)


def _entry(column: pa.DataType) -> tuple[pa.DataType, pa.DataType] | None:
    """The types of key and value: of a map, or of a list of structs with a `key` and a `value`."""
    if kinds.is_map(column):
        return column.key_type, column.item_type
    struct = _plain(column.value_type) if is_list(column) else pa.null()
    if not kinds.is_struct(struct):
        return None
    found = [struct.get_field_index(name) for name in ("key", "value")]
    return None if min(found) < 0 else (struct.field(found[0]).type, struct.field(found[1]).type)


def _reads(kind: Kind, column: pa.DataType) -> bool:
    if kind is Kind.BOOL:
        return bool(kinds.is_boolean(column))
    if kind is Kind.STRING:
        return any(test(column) for test in _TEXTS)
    if kinds.is_integer(column):
        return True
    if kind in FLOAT_KINDS:
        return bool(kinds.is_floating(column))
    return kind is Kind.TIMESTAMP and bool(kinds.is_timestamp(column) or kinds.is_date(column))


def _plain(column: pa.DataType) -> pa.DataType:
    """The type of the values themselves."""
    if isinstance(column, pa.BaseExtensionType):
        return _plain(column.storage_type)
    return _plain(column.value_type) if kinds.is_dictionary(column) else column


def _mismatch(name: str, declared: Type | str, column: pa.DataType) -> InputError:
    return InputError(f"`{name}` is declared {declared}, the column holds {column}")
