"""From cases to a `.feat` program, its joined rows, and the values that must come out."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from featdsl.operators.cast import nearest_float32
from featdsl.types import SCALAR_KINDS, Kind, Type
from tests.conformance.cases import Case, Variable, fits
from tests.conformance.unhash import unhash

PATH = "conformance.feat"

_NOT_FINITE = {math.inf: "1e308 * 10.0", -math.inf: "-1e308 * 10.0"}
_NAN = "1e308 * 10.0 - 1e308 * 10.0"
_STAND_IN = {"inf": 1.7e308, "-inf": -1.7e308, "nan": 1.6e308}
"""No source can hold a value that is not finite; the program puts it in place of these."""
_WILD = (
    "def wild(x) = if x == 1.7e308 then 1e308 * 10.0 else if x == -1.7e308 then -1e308 * 10.0 "
    f"else if x == 1.6e308 then {_NAN} else x"
)
NARROW = ("def one_int32(x: int32) = x", "def one_float32(x: float32) = x")
"""What a literal of these types goes through, as `literal` writes it."""


_PLACES = {"u": "source u of user", "m": "source m of item", "request": "request", "candidate": "candidate"}
"""Where a variable can be a column, and how that is declared."""


@dataclass(frozen=True)
class Program:
    """Feature `f<i>` is case i. `as_text` are the cases whose result is compared as `string(…)`, since a
    feature that is not finite becomes 0. `spread`: see `program_of`."""

    cases: tuple[Case, ...]
    text: str
    overlay: dict[str, str]
    as_text: frozenset[int]
    first_line: int
    """The line of `f0` in the text; each case has one."""
    spread: bool = False


def program_of(cases: Sequence[Case], *, constants: bool = False, spread: bool = False) -> Program:
    """One program of all cases, variables as columns or written in as constants. Columns are fields of `request`,
    or `spread` in turn over a user's row, an item's row, `request` and `candidate`, with a default each.

    Errors: `ValueError` for a value that is not of its variable's type.
    """
    head = [
        "namespace conformance",
        "entity user: int64 per request",
        "entity item: string per candidate",
        _WILD,
        *NARROW,
    ]
    overlay: dict[str, str] = {}
    fields: dict[str, list[str]] = {}
    features: list[str] = []
    as_text = set()
    for i, case in enumerate(cases):
        names: dict[str, str] = {}
        for number, variable in enumerate(case.variables):
            place = _place(spread, i + number)
            if not fits(variable.value, variable.type):
                raise ValueError(f"{case.place}: {variable.name} is no {variable.type}")
            if constants and _has_literal(variable):
                names[variable.name] = literal(variable.value, variable.type)
            else:
                names[variable.name] = _column(i, variable, place)
            if "." not in variable.name:
                fields.setdefault(place, []).append(_declared(i, variable, spread))
        head += _sequence_sources(i, case, "item" if spread and i % 2 else "user")
        for name, entries in case.vocabs.items():
            overlay[f"{name}.txt"] = "".join(f"{entry}\n" for entry in entries)
        expression = substitute(case.expression, names)
        if _is_wild(case.expected):
            as_text.add(i)
            expression = f"string({expression})"
        features.append(f"feature f{i} = {expression}")
    head += [f'vocab {path.removesuffix(".txt")} from "{path}"' for path in overlay]
    for place, declared in fields.items():
        head += [_PLACES[place] + " {", *declared, "}"]
    overlay[PATH] = "\n".join([*head, *features]) + "\n"
    return Program(tuple(cases), overlay[PATH], overlay, frozenset(as_text), len(head) + 1, spread)


def substitute(expression: str, names: dict[str, str]) -> str:
    """The expression with variables replaced, but not in strings, nor names of arguments or functions."""
    if not names:
        return expression
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', expression)
    # at once, for what a name becomes may have the name of another in it
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = rf"(?<![\w.])(?:{words})(?![\w(]|\s*:)"
    pieces[::2] = [re.sub(pattern, lambda found: names[found[0]], piece) for piece in pieces[::2]]
    return "".join(pieces)


def wanted(program: Program, index: int) -> Any:
    """What feature `index` must be."""
    expected = program.cases[index].expected
    return _as_text(expected) if index in program.as_text else expected


def rows_of(program: Program, count: int) -> pa.Table:
    """`count` joined rows. Every even one has each case's own values, an odd one values of other cases
    of that type, so that a row that leaks into its neighbour is seen."""
    places: dict[str, dict[str, tuple[Type, list[Any]]]] = {}
    structs: dict[str, dict[str, tuple[Type, list[Any]]]] = {}
    pool: dict[Type, list[Any]] = {}
    for case in program.cases:
        for v in case.variables:
            pool.setdefault(v.type, []).append(_plain(v.value, v.type))
    for i, case in enumerate(program.cases):
        for number, v in enumerate(case.variables):
            own = _plain(v.value, v.type)
            if "." in v.name:
                sequence, member = v.name.split(".")
                source = structs.setdefault(f"c{i}_{sequence}", {})
                source[member] = (v.type, [own] * count)
                continue
            others = pool[v.type]
            values = [own if row % 2 == 0 else others[(i * 7 + row) % len(others)] for row in range(count)]
            fields = places.setdefault(_place(program.spread, i + number), {})
            fields[_field(i, v)] = (v.type, values)
    columns: dict[str, pa.Array] = {
        "user": pa.array([7] * count, pa.int64()),
        "item": pa.array(["item"] * count, pa.string()),
    }
    columns |= {place: _struct(fields) for place, fields in places.items()}
    for name, members in structs.items():
        inner = _struct(members)
        columns[name] = pa.StructArray.from_arrays([inner], names=["s"])
    return pa.table(columns)


def _struct(fields: dict[str, tuple[Type, list[Any]]]) -> pa.StructArray:
    arrays = [_array(values, type) for type, values in fields.values()]
    return pa.StructArray.from_arrays(arrays, names=list(fields))


def _array(values: list[Any], type: Type) -> pa.Array:
    return pa.array([_paired(value, type) for value in values], arrow_type(type))


def _paired(value: Any, type: Type) -> Any:
    """The value with lists of pairs for its maps, as Arrow takes them."""
    if value is None or type.element is None:
        return value
    if isinstance(value, dict):
        return [(key, _paired(item, type.item)) for key, item in value.items()]
    return [_paired(item, type.item) for item in value]


_ARROW = {
    Kind.BOOL: pa.bool_(),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.FLOAT32: pa.float32(),
    Kind.FLOAT64: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.TIMESTAMP: pa.int64(),
    Kind.ID: pa.int64(),
}


def arrow_type(type: Type) -> pa.DataType:
    """How a type lies in joined rows; a timestamp as int64 microseconds."""
    if type.kind is Kind.LIST:
        return pa.list_(arrow_type(type.item))
    if type.kind is Kind.VECTOR:
        return pa.list_(arrow_type(type.item), type.size)
    if type.kind is Kind.MAP and type.key is not None:
        return pa.map_(arrow_type(type.key), arrow_type(type.item))
    return _ARROW[type.kind]


def exact(value: Any) -> Any:
    """A value that equals another only to the bit; any NaN is any NaN."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else struct.pack(">d", value).hex())
    if isinstance(value, (list, tuple)):
        return ("list", tuple(exact(v) for v in value))
    if isinstance(value, dict):
        return ("map", tuple((exact(k), exact(v)) for k, v in value.items()))
    return (type(value).__name__, value)


# --- text of the program -----------------------------------------------------------------------


def _field(index: int, variable: Variable) -> str:
    return f"c{index}_{variable.name}"


def _place(spread: bool, number: int) -> str:
    return list(_PLACES)[number % len(_PLACES)] if spread else "request"


def _declared(index: int, variable: Variable, with_default: bool) -> str:
    type = _stored(variable.type)
    text = f"  {_field(index, variable)}: {type}"
    if not with_default or type.nullable or type.kind in (Kind.LIST, Kind.MAP):
        return text
    kind = type.item.kind if type.kind is Kind.VECTOR else type.kind
    return f"{text} = {'0' if kind is Kind.TIMESTAMP else _zero(kind)}"


def _column(index: int, variable: Variable, place: str) -> str:
    if "." in variable.name:
        sequence, member = variable.name.split(".")
        text = f"c{index}_{sequence}.s.{member}"
    else:
        text = f"{place}.{_field(index, variable)}"
    if _stored(variable.type) != variable.type:
        return f"hash({text})"
    return f"wild({text})" if _is_wild(variable.value) else text


def _sequence_sources(index: int, case: Case, entity: str) -> list[str]:
    sources: dict[str, list[str]] = {}
    for v in case.variables:
        if "." in v.name:
            sequence, member = v.name.split(".")
            sources.setdefault(f"c{index}_{sequence}", []).append(f"{member}: {_stored(v.type.item)}")
    return [f"source {name} of {entity} {{ s: sequence {{ {' '.join(m)} }} }}" for name, m in sources.items()]


def _is_wild(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_wild(v) for v in value)
    return isinstance(value, float) and not math.isfinite(value)


def _stored(type: Type) -> Type:
    """The type of the column: an int64 for an id, which is made of it by `hash`."""
    if type.is_listlike:
        return replace(type, element=_stored(type.item))
    return replace(type, kind=Kind.INT64) if type.kind is Kind.ID else type


def _plain(value: Any, type: Type) -> Any:
    """The value as stored: stand-ins for what is not finite, and for an id what it is the hash of."""
    if isinstance(value, list):
        return [_plain(v, type.item) for v in value]
    if type.kind is Kind.ID and value is not None:
        return unhash(value)
    return _STAND_IN[str(value)] if _is_wild(value) else value


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(v) for v in value]
    return repr(value) if isinstance(value, float) else value


def _has_literal(variable: Variable) -> bool:
    """Not lists: a literal is a vector, whose elements stay where they are when they become null."""
    kind = variable.type.kind
    return kind in SCALAR_KINDS and kind is not Kind.ID


_ZERO = {Kind.BOOL: "false", Kind.STRING: '""', Kind.TIMESTAMP: "timestamp_seconds(0)"}


def _zero(kind: Kind) -> str:
    return _ZERO.get(kind, "0.0" if kind in (Kind.FLOAT32, Kind.FLOAT64) else "0")


def literal(value: Any, type: Type) -> str:
    """An expression of constants alone. int32 and float32 have no literal, but where that type is declared."""
    if value is None:
        return f"(if true then null else {_zero(type.kind)})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(_ESCAPED.get(c, c) for c in value) + '"'
    if type.kind is Kind.TIMESTAMP:
        return f"(timestamp_seconds(0) + {value})" if value >= 0 else f"(timestamp_seconds(0) + ({value}))"
    if isinstance(value, float) and _is_wild(value):
        return f"({_NAN if math.isnan(value) else _NOT_FINITE[value]})"
    if type.kind is Kind.FLOAT32:
        value = nearest_float32(value)
    text = _decimal(value) if isinstance(value, float) else str(value)
    if type.kind in (Kind.INT32, Kind.FLOAT32):
        return f"one_{type.kind.value}({text})"
    return f"({text})" if text.startswith("-") else text


_ESCAPED = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\", "\r": "\\u{D}"}


def _decimal(value: float) -> str:
    text = repr(value)
    return text if "." in text or "e" in text else text + ".0"
