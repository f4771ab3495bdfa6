"""Values of const parameters.

What stands in `SPECIAL` is for one parameter of one operator; all others are drawn by type, and what the operator's
`validate` refuses is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from featdsl.operators.declare import REQUIRED, Operator, Parameter, Signature
from featdsl.operators.time import UNITS
from featdsl.resources import Vocab, Zone
from tests.random_programs.inputs import VOCABS
from tests.random_programs.values import FLOATS, INTEGERS, STRINGS

ZONES = (
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Australia/Lord_Howe",
    "Europe/London",
)

_SIZES = st.sampled_from([1, 2, 3, 5, 17])
_FEW = st.sampled_from([0, 1, 2, 3, 5, 20])
_DIGITS = st.sampled_from([0, 1, 2, 7, 17, 100])
_PATHS = st.sampled_from(["$", "$.a", "$[0]", '$["a b"][1].é'])


def _one_each(low: float, high: float) -> Callable[[int], st.SearchStrategy[Any]]:
    """A list with a number for each entry of the vocab."""
    return lambda entries: st.lists(st.floats(low, high), min_size=entries, max_size=entries)


_ENTRY = st.sampled_from(VOCABS["words"])

SPECIAL: Mapping[tuple[str, str], st.SearchStrategy[Any] | Callable[[int], st.SearchStrategy[Any]]] = {
    ("pad", "n"): _SIZES,
    **{("combine", f"{part}_size"): st.sampled_from([1, 2, 3, 10, 100]) for part in "abcdef"},
    ("repeat", "n"): _FEW,
    ("left_pad", "n"): _FEW,
    ("right_pad", "n"): _FEW,
    ("hash", "algorithm"): st.sampled_from(["xxhash64", "farm64", "farm64_bytes", "murmur3"]),
    ("hash", "width"): st.sampled_from([32, 64]),
    ("hash", "offset"): st.sampled_from([0, 1, 1000]),
    ("lookup", "ids"): lambda entries: st.permutations(range(entries)),
    ("lookup", "offset"): st.sampled_from([0, 1, 1000]),
    ("normalize", "form"): st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    **{(op, n): st.sampled_from([1, 2, 3]) for op in ("ngrams", "char_ngrams") for n in ("n", "shortest")},
    **{(op, "longest"): st.sampled_from([3, 4, 7]) for op in ("ngrams", "char_ngrams")},
    ("like", "pattern"): st.sampled_from(["", "%", "_", "a%", "%b_", "%é%a%", "\\%", "!%"]),
    ("like", "escape"): st.sampled_from(["\\", "!", "é"]),
    ("wordpiece", "unknown"): _ENTRY,
    ("wordpiece", "prefix"): st.sampled_from(["", "##", "a"]),
    ("wordpiece", "max_chars"): st.sampled_from([1, 5, 100]),
    **{("text_ids", name): _ENTRY for name in ("first", "separator", "fill")},
    **{(op, "n"): st.sampled_from([3, 4, 10]) for op in ("text_ids", "text_segments", "text_mask")},
    ("edit_distance", "limit"): st.sampled_from([1, 3, 100, 1000]),
    ("truncate", "unit"): st.sampled_from(UNITS),
    ("round", "digits"): _DIGITS,
    ("fixed", "digits"): _DIGITS,
    ("fixed", "halves"): st.sampled_from(["away", "even"]),
    ("geohash", "precision"): st.integers(1, 12),
    ("one_hot", "size"): _SIZES,
    ("log_bucketize", "base"): st.sampled_from([1.1, 2.0, 10.0]),
    ("log_bucketize", "buckets"): st.sampled_from([2, 3, 20]),
    ("log_bucketize", "start"): st.sampled_from([0.1, 1.0, 100.0]),
    ("format", "pattern"): st.sampled_from(
        ["{}", "a{}b", "{}{}", "{{{}, {}}}é", "{} {} {}", "%{}$'{}\\{}\n"]
    ),
    ("format_timestamp", "pattern"): st.sampled_from(
        ["%Y-%m-%dT%H:%M:%S.%fZ", "%j%%", "%z", "日%d", "", "x"]
    ),
    ("parse_timestamp", "format"): st.sampled_from(["iso", "%Y", "%d.%m.%Y %H:%M:%S.%f", "%Y%m%d%z"]),
    **{(f"parse_json{kind}", "path"): _PATHS for kind in ("", "_int", "_float", "_bool", "_list")},
    ("target_mean", "means"): _one_each(0.0, 1.0),
    ("target_mean", "otherwise"): st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3),
    ("frequency", "shares"): _one_each(0.0, 1.0),
    ("bm25", "idf"): _one_each(0.0, 10.0),
    ("tf_idf", "idf"): _one_each(0.0, 10.0),
    ("tf_idf_cosine", "idf"): _one_each(0.0, 10.0),
}
"""A strategy, or for what goes by the entries of the call's vocab, one for their number."""

_PATTERNS = (
    "a",
    "",
    ".",
    "^a",
    "b$",
    "[a-z]+",
    r"\d+",
    r"(\w)(\w)?",
    "(?i)AB",
    "é|日",
    r"\pL",
    r"\s*",
    "a{2,3}?",
    "(a|)+",
)

ANYWHERE: Mapping[str, st.SearchStrategy[Any]] = {
    "pattern": st.sampled_from(_PATTERNS),
    "combiner": st.sampled_from(["sum", "mean", "min", "max", "count", "first", "last"]),
}
"""By the name of a parameter, of whatever operator."""

_FINITE = tuple(x for x in FLOATS if abs(x) < 1e300)

_BY_TYPE: Mapping[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int32": st.sampled_from([n for n in INTEGERS if -(2**31) <= n < 2**31]),
    "int64": st.one_of(st.sampled_from(INTEGERS), st.integers(-3, 12)),
    "float32": st.sampled_from([0.0, 0.5, -1.5, 100.0]),
    "float64": st.one_of(st.sampled_from(_FINITE), st.floats(-100, 100)),
    "string": st.one_of(st.sampled_from(STRINGS), st.text(st.sampled_from("ab ,é日"), max_size=3)),
    "zone": st.sampled_from(ZONES),
}


def constants(operator: Operator, signature: Signature, count: int) -> st.SearchStrategy[dict[str, Any]]:
    """Values by parameter, valid together and for `count` arguments; those with a default may be absent. A vocab is its
    name."""
    integers = any(p.pattern.name == "int64" for p in signature.arguments)
    vocab = "numbers" if integers else "words"
    drawn: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for parameter in signature.parameters:
        if parameter.constant:
            given = drawn if parameter.default is REQUIRED else optional
            given[parameter.name] = _values(operator, parameter, vocab)
    if not drawn and not optional:
        return st.just({})
    made = st.fixed_dictionaries(drawn, optional=optional)
    return made.filter(lambda given: _valid(operator, signature, count, given, VOCABS[vocab]))


def _values(operator: Operator, parameter: Parameter, vocab: str) -> st.SearchStrategy[Any]:
    special = SPECIAL.get((operator.name, parameter.name))
    if special is None:
        special = ANYWHERE.get(parameter.name)
    if special is not None:
        return special(len(VOCABS[vocab])) if callable(special) else special
    pattern = parameter.pattern
    if pattern.name == "vocab":
        return st.just(vocab)
    if pattern.name == "list":
        inner = _BY_TYPE[pattern.arguments[0].name]
        ascending = st.lists(inner, min_size=1, max_size=6, unique=True).map(sorted)
        return st.one_of(ascending, st.lists(inner, max_size=4))
    return _BY_TYPE[pattern.name]


def _valid(
    operator: Operator, signature: Signature, count: int, given: Mapping[str, Any], entries: tuple[str, ...]
) -> bool:
    seen: dict[str, Any] = {}
    for parameter in signature.parameters:
        if parameter.constant:
            value = given.get(parameter.name, parameter.default)
            if parameter.pattern.name == "vocab":
                value = Vocab("vocab", entries)
            elif parameter.pattern.name == "zone":
                value = Zone(str(value), (0,), (0,))
            seen[parameter.name] = tuple(value) if isinstance(value, list) else value
    if operator.validate is not None and operator.validate(seen) is not None:
        return False
    return operator.arity is None or operator.arity(seen) == count
