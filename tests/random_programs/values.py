"""Nasty values of every type, and scoring calls made of them."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from featdsl.types import Kind, Type
from tests.conformance.programs import arrow_type
from tests.random_programs.inputs import INPUTS, Input

# Each pool begins with the plainest value: that is what a failure shrinks to.
STRINGS = (
    "a", "", "b", "é b", "A b", "1", "-7", "1.5", "0x1F", "true", "nan", "1e400", "2024-02-29T23:59:60Z", "a,b,,c", " ",
    "x y", "ß", "İ", "ΑΣ ΟΣ.Σ", "e\u0301", "\u0301", "👩‍👩‍👧", "🇩🇪🇫", "日本語", "ﬁ Å ½", "\u3000a\u00a0", "\0", "a\0b",
    "\uffff", "\U00010000", "\U0010ffff", "\u202eabc", "\r\n", "\ud7ff", "%_\\", "$1", "[a", "aaaaaaaaab", "ab" * 150,
    "\ufeffa", "\u2028\x85", "\u1112\u1161\u11ab", "ı I i", "ａＢ１", "٣४", "{}{0}",
    '{"a": [1, "x"], "a b": [0, {"é": 2.5}]}', "%41+&=",
    "\'\"`", "a\u0300\u0323", "1_000", "+1", "-0.0", "9223372036854775808", "e", "１", "\x7f\x1b",
)  # fmt: skip
INTEGERS = (
    0, 1, -1, 2, 7, -7, 10, 100, 1000, 2**31 - 1, -(2**31), 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1,
    -(2**63), 10**18,
)  # fmt: skip
FLOATS = (
    0.0, 1.0, -1.0, 0.5, -0.0, 1.5, 2.5, -2.5, 0.1, 3.0, 1e16, 1e-5, 5e-324, -5e-324, 2.2250738585072014e-308,
    1.7976931348623157e308, -1.7976931348623157e308, 0.49999999999999994, 4503599627370496.5, 9007199254740993.0,
    9.223372036854775807e18, -9.3e18, 3.4028235677973366e38, 1e-46, 0.30000000000000004, 710.0, -745.5,
)  # fmt: skip
TIMES = (
    0, -1, 1_709_251_199_000_001, 1_711_846_799_999_999, 1_711_846_800_000_000, -2_208_988_800_000_000,
    -62_135_596_800_000_001, 253_402_300_800_000_000, 2**63 - 1, -(2**63), 4_102_444_800_000_000,
)  # fmt: skip


def _float32(value: float) -> float | None:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return None
    return rounded


FLOATS32 = tuple(dict.fromkeys(x.hex() for x in map(_float32, FLOATS) if x is not None and abs(x) < 1e39))

POOLS: Mapping[Kind, Sequence[Any]] = {
    Kind.BOOL: (False, True),
    Kind.INT32: tuple(n for n in INTEGERS if -(2**31) <= n < 2**31),
    Kind.INT64: INTEGERS,
    Kind.FLOAT32: tuple(float.fromhex(x) for x in FLOATS32),
    Kind.FLOAT64: FLOATS,
    Kind.STRING: STRINGS,
    Kind.TIMESTAMP: TIMES,
}

_RANDOM: Mapping[Kind, st.SearchStrategy[Any]] = {
    Kind.BOOL: st.booleans(),
    Kind.INT32: st.integers(-(2**31), 2**31 - 1),
    Kind.INT64: st.integers(-(2**63), 2**63 - 1),
    Kind.FLOAT32: st.floats(width=32),
    Kind.FLOAT64: st.floats(),
    Kind.STRING: st.text(max_size=12),
    Kind.TIMESTAMP: st.integers(-(10**17), 4 * 10**17),
}


def scalars(kind: Kind) -> st.SearchStrategy[Any]:
    """A value that a source may hold: NaN and infinity too, never null."""
    pool = st.sampled_from(POOLS[kind])
    return st.one_of(pool, pool, _RANDOM[kind])


def values(type: Type) -> st.SearchStrategy[Any]:
    """A value as a row holds it: null, with null elements, a map with equal keys and null values."""
    if type.kind is Kind.MAP:
        assert type.key is not None
        keys = scalars(type.key.kind)
        made: st.SearchStrategy[Any] = st.lists(st.tuples(keys, values(type.item)), max_size=4)
    elif type.kind is Kind.VECTOR:
        made = st.lists(scalars(type.item.kind), min_size=type.size or 0, max_size=type.size)
    elif type.kind is Kind.LIST:
        element = scalars(type.item.kind) if type.item.is_scalar else values(type.item)
        made = st.lists(st.one_of(element, element, element, st.none()), max_size=5)
    else:
        made = scalars(type.kind)
    return st.one_of(made, made, made, made, st.none())


@dataclass(frozen=True)
class Call:
    """One request: a user's row, the request, rows of items, and candidates, of which the i-th is item
    `i % len(items)`. Rows hold the used fields by name; a missing row is None. `seen` are the rows of m for the
    user's clicks."""

    user: int
    u: Mapping[str, Any] | None
    request: Mapping[str, Any]
    items: Sequence[tuple[str, Mapping[str, Any] | None]]
    candidates: Sequence[Mapping[str, Any]]
    seen: Sequence[Mapping[str, Any] | None] | None


@st.composite
def calls(draw: st.DrawFn, names: frozenset[str]) -> Call:
    """A call that has a value for each of these inputs."""
    fields = {block: fields_of(block, names) for block in ("u", "m", "request", "candidate")}
    items = draw(st.integers(1, 2))
    u = draw(_rows(fields["u"]))
    seen = None
    if any(name.startswith("seen.") for name in names) and draw(st.integers(0, 4)):
        seen = [draw(_rows(fields["m"])) for _ in range(_kept_clicks(u))]
    return Call(
        draw(st.sampled_from(INTEGERS)) if "user" in names else 1,
        u,
        draw(_rows(fields["request"])) or {},
        [
            (draw(st.sampled_from(STRINGS)) if "item" in names else str(i), draw(_rows(fields["m"])))
            for i in range(items)
        ],
        [draw(_rows(fields["candidate"])) or {} for _ in range(draw(st.integers(1, 3)))],
        seen,
    )


def restricted(call: Call, names: frozenset[str]) -> Call:
    """The call with the values of these inputs alone."""

    def row(given: Mapping[str, Any] | None, block: str) -> dict[str, Any] | None:
        if not given:
            return None if given is None else {}
        fields = fields_of(block, names)
        made = {field_name(one): given[field_name(one)] for one in fields if not one.sequence}
        members = [field_name(one) for one in fields if one.sequence]
        if members:
            clicks = given["clicks"]
            made["clicks"] = clicks and [{name: click[name] for name in members} for click in clicks]
        return made

    u = row(call.u, "u")
    seen = None
    if call.seen is not None and any(name.startswith("seen.") for name in names):
        # fewer members let more clicks be kept
        rows = [row(one, "m") for one in call.seen] or [None]
        seen = [rows[i % len(rows)] for i in range(_kept_clicks(u))]
    return Call(
        call.user if "user" in names else 1,
        u,
        row(call.request, "request") or {},
        [(item, row(one, "m")) for item, one in call.items],
        [row(one, "candidate") or {} for one in call.candidates],
        seen,
    )


def _kept_clicks(u: Mapping[str, Any] | None) -> int:
    return sum(all(map(_is_kept, click.values())) for click in (u or {}).get("clicks") or [])


def _is_kept(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def fields_of(block: str, names: Iterable[str]) -> list[Input]:
    """The declared fields of a block that the names need, each once."""
    found: dict[str, Input] = {}
    for name in sorted(names):
        one = INPUTS[name]
        if one.block == block:
            found.setdefault(f"{one.sequence}.{one.field}", one)
    if block == "u" and any(name.startswith("seen.") for name in names):
        found["clicks.string"] = INPUTS["u.clicks.string"]
    return list({(one.sequence, one.field): one for one in found.values()}.values())


def field_name(one: Input) -> str:
    return one.field.partition(":")[0]


def field_type(one: Input) -> Type:
    """The type of one field: of a sequence's, its element."""
    keyed = one.name.startswith("seen.")
    return one.type.item if one.sequence or keyed else one.type


def _rows(fields: Sequence[Input]) -> st.SearchStrategy[dict[str, Any] | None]:
    plain = {field_name(one): values(field_type(one)) for one in fields if not one.sequence}
    members = {field_name(one): values(field_type(one)) for one in fields if one.sequence}
    if members:
        plain["clicks"] = st.one_of(st.none(), st.lists(st.fixed_dictionaries(members), max_size=4))
    if not plain:
        return st.just({})
    row = st.fixed_dictionaries(plain)
    return st.one_of(row, row, row, row, row, st.none())


def joined(call: Call, names: frozenset[str]) -> pa.Table:
    """The call's candidates as joined rows."""
    count = len(call.candidates)
    items = [call.items[i % len(call.items)] for i in range(count)]
    columns: dict[str, pa.Array] = {
        "user": pa.array([call.user] * count, pa.int64()),
        "item": pa.array([item for item, _ in items], pa.string()),
    }
    rows = {
        "u": [call.u] * count,
        "m": [row for _, row in items],
        "request": [call.request] * count,
        "candidate": list(call.candidates),
    }
    for block, given in rows.items():
        type = struct_type(fields_of(block, names))
        if type.num_fields:
            columns[block] = pa.array(given, type)
    if any(name.startswith("seen.") for name in names):
        columns["seen"] = pa.array([call.seen] * count, pa.list_(struct_type(fields_of("m", names))))
    return pa.table(columns)


def struct_type(fields: Sequence[Input]) -> pa.StructType:
    plain = [pa.field(field_name(one), arrow_type(field_type(one))) for one in fields if not one.sequence]
    members = [pa.field(field_name(one), arrow_type(field_type(one))) for one in fields if one.sequence]
    if members:
        plain.append(pa.field("clicks", pa.list_(pa.struct(members))))
    return pa.struct(plain)
