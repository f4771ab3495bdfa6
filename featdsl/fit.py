"""What can be learned from data, and how what was learned becomes constants of the program.

`feat fit` computes a *statistic* of the values of an expression over the samples (`offline/fit.py`). A *site* is a
place in a program that needs one: an operator whose constants are left out (`zscore(x)`), or a `fit` expression.

    statistic   what it holds
    moments     count, mean, std, low, high: mean and std correctly rounded; std of the population
    quantiles   points, in the order of `at` or of the `parts` equal parts; counts below the first point,
                between them and from the last on
    vocab       entries with their counts, most frequent first, of equals the least first
    means       entries with their counts and means of a label
    corpus      documents, mean_length, entries with the number of documents they stand in
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from featdsl.operators.declare import REQUIRED
from featdsl.operators.strictmath import log
from featdsl.resources import Vocab

LARGEST = 10_000_000
"""Entries of what is learned."""


@dataclass(frozen=True, slots=True)
class FitParameter:
    """An option of what is learned; `kind` is int, float or str, and a number is from `low` to `high`."""

    name: str
    kind: type
    default: Any = REQUIRED
    low: float = 0
    high: float = math.inf

    def fitted(self, value: Any) -> Any:
        """The value in the parameter's type. Errors: `ValueError` with what is wrong with it."""
        if self.kind is float and type(value) is int:
            value = float(value)
        if type(value) is not self.kind:
            kinds = {int: "an integer", float: "a number", str: "a text"}
            raise ValueError(f"`{self.name}` is {kinds[self.kind]}")
        if isinstance(value, int | float) and not self.low <= value <= self.high:
            up_to = f" to {self.high:_}" if math.isfinite(self.high) else " up"
            raise ValueError(f"`{self.name}` is from {self.low:_}{up_to}, found {value}")
        if value == math.inf:
            raise ValueError(f"`{self.name}` is finite")
        return value


Constants = Callable[["Learned", Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Learned:
    """An operator whose `constants` may be left out: they come from the `statistic` of argument number `argument`.

    `name` is what a program calls, `operator` what it becomes. `values` is the number of arguments that are values;
    `placeholders` stand for the constants until something was learned.
    """

    name: str
    operator: str
    statistic: str
    placeholders: Mapping[str, Any]
    values: int = 1
    argument: int = 0
    parameters: tuple[FitParameter, ...] = ()
    doc: str = ""
    """Of one whose name is no operator's; the others are documented there."""

    @property
    def constants(self) -> tuple[str, ...]:
        return tuple(self.placeholders)


_SIZES = (
    FitParameter("min_count", int, 1, 1, LARGEST),
    FitParameter("max_size", int, 100_000, 1, LARGEST),
)
_NO_ENTRIES = Vocab.of("fitted", ())
_CORPUS = {"vocab": _NO_ENTRIES, "idf": (), "unseen": 0.0}

LEARNED: dict[str, Learned] = {
    found.name: found
    for found in (
        Learned("zscore", "zscore", "moments", {"mean": 0.0, "std": 1.0}),
        Learned("minmax", "minmax", "moments", {"low": 0.0, "high": 1.0}),
        Learned(
            "quantile_bucketize",
            "bucketize",
            "quantiles",
            {"edges": (0.0,)},
            parameters=(FitParameter("parts", int, REQUIRED, 2, 10_000),),
            doc="""The number of the part that a value falls in when all are divided into `parts` parts of equal size.

It is `bucketize` with edges that `feat fit` learns: the different ones of the quantiles at 1/parts, 2/parts and so on,
so there are fewer where values repeat. A value on an edge goes up, unless `right: true`.""",
        ),
        Learned(
            "target_mean",
            "target_mean",
            "means",
            {"vocab": _NO_ENTRIES, "means": (), "otherwise": (0.0,)},
            parameters=(
                FitParameter("label", str),
                FitParameter("folds", int, 5, 2, 100),
                FitParameter("smoothing", float, 20.0),
                *_SIZES,
            ),
        ),
        Learned("frequency", "frequency", "vocab", {"vocab": _NO_ENTRIES, "shares": ()}, parameters=_SIZES),
        Learned("bm25", "bm25", "corpus", {**_CORPUS, "mean_length": 1.0}, 2, 1, _SIZES),
        Learned("tf_idf", "tf_idf", "corpus", _CORPUS, parameters=_SIZES),
        Learned("tf_idf_cosine", "tf_idf_cosine", "corpus", _CORPUS, 2, 1, _SIZES),
    )
}
"""By the name that a program calls."""

FITS: dict[str, tuple[str, tuple[FitParameter, ...]]] = {
    **dict.fromkeys(("mean", "std", "min", "max"), ("moments", ())),
    "median": ("quantiles", ()),
    "quantile": ("quantiles", (FitParameter("at", float, REQUIRED, 0, 1),)),
    "quantiles": ("quantiles", (FitParameter("parts", int, REQUIRED, 2, 10_000),)),
    "vocab": ("vocab", _SIZES),
}
"""What may follow `fit`: its statistic and its options."""


def statistic_parameters(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that decide what is computed, so that sites which need the same share it."""
    return {"at": 0.5} if name == "median" else dict(given)


def constants_of(learned: Learned, values: Mapping[str, Any]) -> dict[str, Any]:
    """The constants of an operator, from the values of its site (see the top)."""
    if learned.statistic == "moments":
        return _scale(values)[learned.name]
    if learned.statistic == "quantiles":
        # -0.0 and 0.0 are one edge
        return {"edges": tuple(sorted({point + 0.0 for point in values["points"]}))}
    entries = values["entries"]
    vocab = Vocab.of("fitted", tuple(entries))
    if learned.statistic == "vocab":
        return {"vocab": vocab, "shares": tuple([n / values["count"] for n in entries.values()])}
    if learned.statistic == "means":
        means = tuple([mean for _, *row in entries.values() for mean in row])
        return {"vocab": vocab, "means": means, "otherwise": tuple(values["otherwise"])}
    idf = _lucene_idf if learned.name == "bm25" else _smooth_idf
    by_count = {n: idf(values["documents"], n) for n in {0, *entries.values()}}
    constants = {
        "vocab": vocab,
        "idf": tuple([by_count[n] for n in entries.values()]),
        "unseen": by_count[0],
        "mean_length": values["mean_length"],
    }
    return {name: constants[name] for name in learned.constants}


def value_of(fit: str, values: Mapping[str, Any]) -> float | tuple[float, ...]:
    """What a `fit` expression other than a vocab is, from the values of its site."""
    if fit == "quantiles":
        return tuple(values["points"])
    if fit in ("median", "quantile"):
        return float(values["points"][0])
    return float(values[{"min": "low", "max": "high"}.get(fit, fit)])


def _scale(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A column that is always the same becomes 0: its std counts as 1, its `high` as a whole unit above `low`."""
    low, high = values["low"], values["high"]
    return {
        "zscore": {"mean": values["mean"], "std": values["std"] or 1.0},
        "minmax": {"low": low, "high": high if high > low else low + max(1.0, abs(low))},
    }


def _lucene_idf(documents: int, with_token: int) -> float:
    """log(1 + (N - df + 0.5) / (df + 0.5)), never negative."""
    return float(log(1.0 + (documents - with_token + 0.5) / (with_token + 0.5)))


def _smooth_idf(documents: int, with_token: int) -> float:
    """log((1 + N) / (1 + df)) + 1."""
    return float(log((1 + documents) / (1 + with_token))) + 1.0
