"""Operators with constants that `feat fit` learns from the samples: target means, frequencies, bm25, tf-idf.

In a program the constants are left out (`target_mean(item, label: "liked")`); whoever has them from elsewhere gives
them by name. `zscore` and `minmax` are learned in the same way.

A `fit` expression is a constant that is learned: `fit mean(x)`, `fit std(x)`, `fit min(x)`, `fit max(x)`,
`fit median(x)`, `fit quantile(x, at)`, and `fit quantiles(x, parts)`, a list. `fit vocab(min_count: 1, max_size:
100_000)` stands where a vocab does and is learned from the operator's first argument. So `x ?? fit median(x)` fills
what is missing, and `clip(x, fit quantile(x, 0.01), fit quantile(x, 0.99))` cuts off what is extreme. Quantiles of
values that repeat may be the same, which `bucketize` refuses as edges: `quantile_bucketize` leaves such out. The
rules are in SEMANTICS.md, "Fitted state".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from featdsl.operators.declare import operator
from featdsl.resources import Vocab


def _place(x: str | int | None, vocab: Vocab) -> int:
    """The position of an entry, -1 for null and for what is none."""
    for place, entry in enumerate(vocab.entries):
        if entry == x:
            return place
    return -1


def _all_finite(name: str, constants: Mapping[str, Any]) -> str | None:
    given = constants[name]
    values = given if isinstance(given, tuple | list) else (given,)
    wrong = [value for value in values if not math.isfinite(value)]
    return f"`{name}` must be finite, found {wrong[0]}" if wrong else None


def _one_each(name: str, constants: Mapping[str, Any]) -> str | None:
    entries, numbers = len(constants["vocab"].entries), len(constants[name])
    if entries != numbers:
        return f"`{name}` has one number an entry of the vocab: {numbers}, not {entries}"
    return _all_finite(name, constants)


def _check_means(constants: Mapping[str, Any]) -> str | None:
    columns = len(constants["otherwise"])
    if columns == 0:
        return "`otherwise` has at least one number"
    entries, numbers = len(constants["vocab"].entries), len(constants["means"])
    if numbers != entries * columns:
        return f"`means` has {columns} numbers an entry of the vocab: {numbers}, not {entries * columns}"
    return _all_finite("means", constants) or _all_finite("otherwise", constants)


_MEANS = "vocab: const vocab, means: const list<float64>, otherwise: const list<float64>"


@operator(
    f"target_mean(x: string?, sample: int64?, {_MEANS}) -> float64",
    f"target_mean(x: int64?, sample: int64?, {_MEANS}) -> float64",
    validate=_check_means,
)
def target_mean(
    x: str | int | None,
    sample: int | None,
    *,
    vocab: Vocab,
    means: Sequence[float],
    otherwise: Sequence[float],
) -> float:
    """The mean of a label over the samples with this value, as it was fitted; never null.

    Null, and a value that is no entry, have the mean of all samples. Write `target_mean(x, label: "liked")`: the
    constants are learned. Options: `folds` (5), `smoothing` (20.0), `min_count` (1), `max_size` (100_000). With
    n samples of this value whose labels sum to s, and m the mean of all, it is (s + smoothing * m) / (n + smoothing).

    `otherwise` is what stands where nothing is known: first of all samples, then of all but each fold; `means` are
    as many numbers an entry. `sample` numbers a training row: it gets the mean without the fold
    `floormod(sample, folds)`, so its own label is not in it. Null (when scoring) gives the mean of all.

    Source: the smoothing is that of NVTabular's TargetEncoding (`p_smooth`).
    """
    columns = len(otherwise)
    column = 0 if sample is None or columns == 1 else 1 + sample % (columns - 1)
    place = _place(x, vocab)
    return otherwise[column] if place < 0 else means[place * columns + column]


@operator(
    "frequency(x: string?, vocab: const vocab, shares: const list<float64>) -> float64",
    "frequency(x: int64?, vocab: const vocab, shares: const list<float64>) -> float64",
    validate=lambda constants: _one_each("shares", constants),
)
def frequency(x: str | int | None, *, vocab: Vocab, shares: Sequence[float]) -> float:
    """The share of the samples' values that are this one, as it was fitted: 0.0 to 1.0, never null.

    Null, and a value that is no entry, have 0.0. Write `frequency(x)`: the constants are learned. Options: `min_count`
    (1), `max_size` (100_000).
    """
    place = _place(x, vocab)
    return 0.0 if place < 0 else shares[place]


_CORPUS = "vocab: const vocab, idf: const list<float64>, unseen: const float64"


def _check_idf(constants: Mapping[str, Any]) -> str | None:
    return _one_each("idf", constants) or _all_finite("unseen", constants)


def _check_bm25(constants: Mapping[str, Any]) -> str | None:
    k1, b, mean_length = constants["k1"], constants["b"], constants["mean_length"]
    if not 0 <= k1 < math.inf:
        return f"`k1` is a finite number that is not negative, found {k1}"
    if not 0 <= b <= 1:
        return f"`b` is from 0 to 1, found {b}"
    if not 0 < mean_length < math.inf:
        return f"`mean_length` is a finite number above 0, found {mean_length}"
    return _check_idf(constants)


def _idf(token: str, vocab: Vocab, idf: Sequence[float], unseen: float) -> float:
    place = _place(token, vocab)
    return unseen if place < 0 else idf[place]


@operator(
    "bm25(query: list<string>, document: list<string>, "
    f"{_CORPUS}, mean_length: const float64, k1: const float64 = 1.2, b: const float64 = 0.75) -> float64",
    validate=_check_bm25,
)
def bm25(
    query: list[str],
    document: list[str],
    *,
    vocab: Vocab,
    idf: Sequence[float],
    unseen: float,
    mean_length: float,
    k1: float,
    b: float,
) -> float:
    """How well a document's tokens match those of a query: the BM25 score; 0.0 without a common token.

    The sum over the query's tokens, in order, one that stands twice counted twice, of
    `idf(t) * (tf * (k1 + 1)) / (tf + k1 * (1 - b + b * (size(document) / mean_length)))`, where tf is how often t
    stands in the document. Write `bm25(query, document)`: the corpus is learned; it is all different documents that
    the samples bring, N of them, and `idf(t) = log(1 + (N - df + 0.5) / (df + 0.5))`, where df counts the documents
    with t, none for a token that was not seen. Options: `k1` (1.2), `b` (0.75), `min_count` (1), `max_size` (100_000).

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), with the idf of Lucene's
    BM25Similarity, which is never negative. Lucene leaves out the factor k1 + 1 since version 8, Elasticsearch has it.
    """
    if not document:
        return 0.0
    norm = k1 * (1.0 - b + b * (len(document) / mean_length))
    total = 0.0
    for token in query:
        tf = float(document.count(token))
        if tf > 0:
            total += _idf(token, vocab, idf, unseen) * (tf * (k1 + 1.0)) / (tf + norm)
    return total


@operator(f"tf_idf(tokens: list<string>, {_CORPUS}) -> list<float64>", validate=_check_idf)
def tf_idf(tokens: list[str], *, vocab: Vocab, idf: Sequence[float], unseen: float) -> list[float]:
    """The weight of each token in its text: `tf * idf(t)`, where tf is how often it stands there by the number of all.

    As long as `tokens`. Write `tf_idf(tokens)`: the corpus is learned; it is all different texts that the samples
    bring, N of them, and `idf(t) = log((1 + N) / (1 + df)) + 1`, where df counts the texts with t, none for a token
    that was not seen. Options: `min_count` (1), `max_size` (100_000).

    Source: the idf is that of scikit-learn's TfidfTransformer with `smooth_idf`.
    """
    return [(tokens.count(token) / len(tokens)) * _idf(token, vocab, idf, unseen) for token in tokens]


@operator(f"tf_idf_cosine(a: list<string>, b: list<string>, {_CORPUS}) -> float64", validate=_check_idf)
def tf_idf_cosine(a: list[str], b: list[str], *, vocab: Vocab, idf: Sequence[float], unseen: float) -> float:
    """How alike two texts are: the cosine of their vectors of `count * idf(t)`; 0.0 where one is empty.

    Distinct tokens are summed in the order in which they first stand: those of `a` for the product and its length,
    those of `b` for its own. Write `tf_idf_cosine(a, b)`: the corpus is learned from `b`, and idf is as in `tf_idf`,
    with the same options.

    Source: the similarity of NVTabular's ColumnSimilarity with `metric="tfidf"`, whose idf is `log(N / df)`.
    """
    weights = [{t: tokens.count(t) * _idf(t, vocab, idf, unseen) for t in tokens} for tokens in (a, b)]
    product = lengths = 0.0
    for token, weight in weights[0].items():
        product += weight * weights[1].get(token, 0.0)
        lengths += weight * weight
    other = 0.0
    for weight in weights[1].values():
        other += weight * weight
    scale = math.sqrt(lengths) * math.sqrt(other)
    return product / scale if scale > 0 else 0.0
