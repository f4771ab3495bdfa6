"""The two mixes of features whose speed the EasyRec processor publishes, as programs with the same counts a class.

EasyRec's classes: an *id* is a text that is hashed into buckets; a *raw* feature a number, normalised or cut at
boundaries; a *lookup* finds an item's key in a map of the user's; a *match* finds two keys in the user's map of maps, a
category and the item in it, or under the fixed category `ALL`, or with `ALL` as a wildcard; a *sequence* is what
the user did last, an id an event and attribute.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

USER, ITEM = "profile", "goods"
"""The sources of the program, one a side."""

KEY_FIELDS = {"root": 12, "category": 150, "leaf": 600, "brand": 1_500, "shop": 3_000, "seller": 3_000}
KEY_FIELDS |= {"style": 80, "colour": 24, "city": 300, "price_level": 7, "season": 5, "material": 60}
"""What lookups and matches find items by, and how many values each takes; the first one is the category of matches."""

CATEGORY = "root"
ALL = "ALL"
SEQUENCES = ("clicks", "carts", "orders", "searches")
LENGTH = 32


@dataclass(frozen=True, slots=True)
class Id:
    """A text of a side, hashed into buckets."""

    side: str
    field: str
    buckets: int


@dataclass(frozen=True, slots=True)
class Raw:
    """A number of a side. `way`: zscore of (mean, deviation), minmax of (low, high), log, or buckets of edges."""

    side: str
    field: str
    way: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """An item's key in a map of the user."""

    map: str
    key: str


@dataclass(frozen=True, slots=True)
class Match:
    """An item's category and key in a map of maps of the user. `way`: hit, all (the category is `ALL`), or wildcard."""

    map: str
    key: str
    way: str


@dataclass(frozen=True)
class Mix:
    """Counts of features by class, and the candidates of a call; `published`: EasyRec's calls a second and core."""

    name: str
    ids: int
    raws: int
    lookups: int
    matches: int
    batch: int
    published: float
    attributes: int = 0
    seed: int = field(default=11, compare=False)

    @property
    def features(self) -> int:
        return self.ids + self.raws + self.lookups + self.matches + len(SEQUENCES) * self.attributes

    @cached_property
    def id_features(self) -> list[Id]:
        """A third of the user."""
        rng = random.Random(self.seed)
        sides = [USER if k % 3 == 0 else ITEM for k in range(self.ids)]
        return [
            Id(side, f"id_{k}", rng.choice((1_000, 2_000, 5_000, 10_000, 20_000)))
            for k, side in enumerate(sides)
        ]

    @cached_property
    def raw_features(self) -> list[Raw]:
        """A third of the user; of all a quarter in buckets."""
        return [
            Raw(USER if k % 3 == 0 else ITEM, f"raw_{k}", *_WAYS[k // 3 % len(_WAYS)])
            for k in range(self.raws)
        ]

    @cached_property
    def lookup_features(self) -> list[Lookup]:
        keys = list(KEY_FIELDS)
        return [Lookup(f"by_{keys[k % len(keys)]}_{k}", keys[k % len(keys)]) for k in range(self.lookups)]

    @cached_property
    def match_features(self) -> list[Match]:
        """One in four goes without a category, one in twenty with a wildcard."""
        keys = [key for key in KEY_FIELDS if key != CATEGORY]
        ways = ["wildcard" if k % 20 == 19 else "all" if k % 4 == 3 else "hit" for k in range(self.matches)]
        return [
            Match(f"of_{keys[k % len(keys)]}_{k}", keys[k % len(keys)], way) for k, way in enumerate(ways)
        ]

    @cached_property
    def attribute_buckets(self) -> list[int]:
        """Of each attribute of a sequence, the same of all."""
        return [10_000 // (1 + k) for k in range(self.attributes)]

    def text(self) -> str:
        """The `.feat` file."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"namespace {self.name}"
        yield "entity user: int64 per request"
        yield "entity item: string per candidate"
        for side, entity in ((USER, "user"), (ITEM, "item")):
            yield f"source {side} of {entity} {{"
            yield from (f"  {one.field}: string?" for one in self.id_features if one.side == side)
            yield from (f"  {one.field}: float32?" for one in self.raw_features if one.side == side)
            if side == ITEM:
                yield from (f"  {key}: string?" for key in KEY_FIELDS)
            else:
                yield from (f"  {one.map}: map<string, float32>" for one in self.lookup_features)
                yield from (f"  {one.map}: map<string, map<string, float32>>" for one in self.match_features)
                for name in SEQUENCES if self.attributes else ():
                    members = " ".join(f"at_{k}: string?" for k in range(self.attributes))
                    yield f"  {name}: sequence[{LENGTH}] {{ {members} }}"
            yield "}"
        yield from (
            f"feature {one.field} = hash({one.side}.{one.field}, {one.buckets})" for one in self.id_features
        )
        yield from (f"feature {one.field} = {_raw(one)}" for one in self.raw_features)
        yield from (
            f"feature {one.map} = get({USER}.{one.map}, {ITEM}.{one.key}) ?? 0.0"
            for one in self.lookup_features
        )
        yield from (f"feature {one.map} = {_match(one)}" for one in self.match_features)
        for name in SEQUENCES if self.attributes else ():
            for k, buckets in enumerate(self.attribute_buckets):
                yield f"feature {name}_{k} = {USER}.{name}.at_{k} |> hash({buckets}) |> pad({LENGTH})"
        yield from self._model()

    def _model(self) -> Iterator[str]:
        yield "model ranker {"
        for name, features in self.inputs().items():
            per = " per request" if name.startswith("user_") else ""
            kind = "float32" if name.endswith("numbers") else "int64"
            made = " |> ".join(_joined(features)) if name == "user_events" else f"[{', '.join(features)}]"
            yield f"  {name}: {kind}{per} = {made}"
        yield "  output like: float32"
        yield "}"

    def inputs(self) -> dict[str, list[str]]:
        """By input of the model its features, side by side: those of the user once a call."""
        made: dict[str, list[str]] = {}
        for side, prefix in ((USER, "user"), (ITEM, "item")):
            raws = [one for one in self.raw_features if one.side == side]
            numbers = [one.field for one in raws if one.way != "buckets"]
            if side == ITEM:
                numbers += [one.map for one in self.lookup_features] + [
                    one.map for one in self.match_features
                ]
            made[f"{prefix}_ids"] = [one.field for one in self.id_features if one.side == side]
            made[f"{prefix}_buckets"] = [one.field for one in raws if one.way == "buckets"]
            made[f"{prefix}_numbers"] = numbers
        if self.attributes:
            made["user_events"] = [f"{name}_{k}" for name in SEQUENCES for k in range(self.attributes)]
        return made


_EDGES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0, 60.0)
_WAYS: list[tuple[str, tuple[float, ...]]] = [
    ("zscore", (4.0, 3.5)),
    ("minmax", (0.0, 80.0)),
    ("log", ()),
    ("buckets", _EDGES),
]


def _joined(vectors: Sequence[str]) -> Iterator[str]:
    """Of vectors of one sequence's length one vector, one behind the other."""
    yield vectors[0]
    yield from (f"concat({vector})" for vector in vectors[1:])
    yield f"pad({LENGTH * len(vectors)})"


def _raw(one: Raw) -> str:
    value = f"({one.side}.{one.field} ?? 0.0)"
    match one.way:
        case "zscore":
            return f"({value} - {one.numbers[0]}) / {one.numbers[1]}"
        case "minmax":
            low, high = one.numbers
            return f"clip(({value} - {low}) / {high - low}, 0.0, 1.0)"
        case "log":
            return f"log1p({value}) ?? 0.0"
        case _:
            return f"bucketize({value}, {list(one.numbers)})"


def _match(one: Match) -> str:
    category = f'"{ALL}"' if one.way == "all" else f"{ITEM}.{CATEGORY}"
    wildcard = f', wildcard: "{ALL}"' if one.way == "wildcard" else ""
    return f"match({USER}.{one.map}, {category}, {ITEM}.{one.key}{wildcard}) ?? 0.0"


SEQUENCED = Mix("sequenced", ids=67, raws=170, lookups=756, matches=0, batch=100, published=5.5, attributes=9)
MATCHED = Mix("matched", ids=306, raws=77, lookups=60, matches=1_000, batch=150, published=15.0)
"""1,029 features (their document says about 1,030) at 100 candidates, and 1,443 at 150."""

MIXES = {mix.name: mix for mix in (SEQUENCED, MATCHED)}
