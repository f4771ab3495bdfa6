"""What random programs read: every type, at every level, as optional, defaulted, listed and aligned fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from featdsl.types import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    vector_of,
)

SCALARS = (BOOL, INT32, INT64, FLOAT32, FLOAT64, STRING, TIMESTAMP)

_DEFAULTS = {BOOL: "true", INT32: "-1", INT64: "7", FLOAT32: "0.5", FLOAT64: "-0.0", STRING: '"é b"'}
_BLOCKS = {
    "u": "source u of user",
    "m": "source m of item",
    "request": "request",
    "candidate": "candidate",
}
_ITEM_KEYED = "seen"
"""`source seen = m of u.clicks.s`: m's rows under the keys of a list."""

VOCABS = {
    "words": ("a", "b", "é b", "日本", "x y", "##a", "[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    "numbers": ("-1", "0", "7", "9223372036854775807"),
}
"""The entries of the vocabs that programs use."""

OUTPUTS = {"like": FLOAT32, "watch": FLOAT64}
"""What the model answers, for `keep` and `score`."""


@dataclass(frozen=True)
class Input:
    """`block` is where its field is declared, `field` how. `type` is that of the expression `name`."""

    name: str
    type: Type
    block: str
    field: str
    sequence: str = ""


def _inputs() -> Iterable[Input]:
    for block in _BLOCKS:
        for scalar in SCALARS:
            kind = scalar.kind.value
            yield Input(f"{block}.{kind}_n", scalar.optional(), block, f"{kind}_n: {scalar}?")
            yield Input(
                f"{block}.{kind}_d", scalar, block, f"{kind}_d: {scalar} = {_DEFAULTS.get(scalar, '0')}"
            )
            yield Input(f"{block}.{kind}_l", list_of(scalar), block, f"{kind}_l: list<{scalar}>[40]")
        for key, value in (
            (STRING, FLOAT64), (STRING, STRING), (INT64, INT64), (INT64, FLOAT32), (STRING, BOOL), (STRING, INT64),
            (INT64, STRING), (INT64, FLOAT64), (STRING, TIMESTAMP), (INT64, TIMESTAMP), (STRING, INT32),
            (STRING, FLOAT32),
        ):  # fmt: skip
            name = f"{key.kind.value}_{value.kind.value}_m"
            yield Input(f"{block}.{name}", map_of(key, value), block, f"{name}: map<{key}, {value}>")
        for element in (FLOAT64, FLOAT32, INT64, STRING):
            name = f"{element.kind.value}_v"
            default = "" if element is FLOAT64 else f" = {_DEFAULTS[element]}"
            type = vector_of(element, 3).optional(element is FLOAT64)
            mark = "?" if element is FLOAT64 else default
            yield Input(f"{block}.{name}", type, block, f"{name}: vector<{element}, 3>{mark}")
    for block in ("u", "m"):
        for outer, inner in product((STRING, INT64), repeat=2):
            for value in (INT64, FLOAT64, STRING):
                name = f"{outer.kind.value}_{inner.kind.value}_{value.kind.value}_m"
                type = map_of(outer, map_of(inner, value))
                yield Input(f"{block}.{name}", type, block, f"{name}: {type}")
        for value in (INT64, FLOAT64, STRING):
            name, type = f"{value.kind.value}_ll", list_of(list_of(value))
            yield Input(f"{block}.{name}", type, block, f"{name}: {type}")
        for key, value in product((STRING, INT64), repeat=2):
            name, type = f"{key.kind.value}_{value.kind.value}_lm", map_of(key, list_of(value))
            yield Input(f"{block}.{name}", type, block, f"{name}: {type}")
        for scalar in SCALARS:
            yield Input(
                f"{block}.clicks.{scalar.kind.value}",
                list_of(scalar),
                block,
                f"{scalar.kind.value}: {scalar}",
                "clicks",
            )
    for scalar in SCALARS:
        kind = scalar.kind.value
        yield Input(
            f"{_ITEM_KEYED}.{kind}_d",
            list_of(scalar),
            "m",
            f"{kind}_d: {scalar} = {_DEFAULTS.get(scalar, '0')}",
        )
        yield Input(f"{_ITEM_KEYED}.{kind}_n", list_of(scalar.optional()), "m", f"{kind}_n: {scalar}?")
        yield Input(f"{_ITEM_KEYED}.{kind}_l", list_of(list_of(scalar)), "m", f"{kind}_l: list<{scalar}>[40]")
    field = "float64_w: vector<float64, 3> = -0.0"
    yield Input(f"{_ITEM_KEYED}.float64_w", list_of(vector_of(FLOAT64, 3)), "m", field)
    yield Input("user", INT64, "", "")
    yield Input("item", STRING, "", "")


INPUTS: Mapping[str, Input] = {one.name: one for one in _inputs()}


def declarations(names: Iterable[str]) -> str:
    """The head of a program that reads these inputs, and no more."""
    used = {INPUTS[name] for name in names}
    keyed = any(one.name.startswith(f"{_ITEM_KEYED}.") for one in used)
    if keyed:
        used.add(INPUTS["u.clicks.string"])
    lines = ["namespace random", "entity user: int64 per request", "entity item: string per candidate"]
    for block, head in _BLOCKS.items():
        fields = dict.fromkeys(
            one.field for one in _in_order(used) if one.block == block and not one.sequence
        )
        members = dict.fromkeys(one.field for one in _in_order(used) if one.block == block and one.sequence)
        if members:
            fields[f"clicks: sequence[20] {{ {'  '.join(members)} }}"] = None
        if fields:
            lines += [f"{head} {{", *(f"  {field}" for field in fields), "}"]
    if keyed:
        lines.append(f"source {_ITEM_KEYED} = m of u.clicks.string")
    return "\n".join([*lines, *(f'vocab {name} from "{name}.txt"' for name in VOCABS)]) + "\n"


def _in_order(used: Iterable[Input]) -> list[Input]:
    return sorted(used, key=lambda one: one.name)


def vocab_files() -> dict[str, str]:
    return {f"{name}.txt": "".join(f"{entry}\n" for entry in entries) for name, entries in VOCABS.items()}
