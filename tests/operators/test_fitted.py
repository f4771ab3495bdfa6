"""bm25 and tf-idf with a corpus that was learned, against the formulas in numpy."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from featdsl.fit import LEARNED, constants_of
from featdsl.operators import OPERATORS

RNG = random.Random(5)
WORDS = [f"w{n}" for n in range(30)]


def _document() -> list[str]:
    return [RNG.choice(WORDS[: RNG.randrange(1, 31)]) for _ in range(RNG.randrange(1, 12))]


DOCUMENTS = [list(d) for d in dict.fromkeys(tuple(_document()) for _ in range(60))]
COUNTS = Counter(token for document in DOCUMENTS for token in set(document))
VALUES = {
    "documents": len(DOCUMENTS),
    "mean_length": sum(map(len, DOCUMENTS)) / len(DOCUMENTS),
    "entries": dict(sorted(COUNTS.items(), key=lambda kv: (-kv[1], kv[0]))),
}
QUERIES = [[*_document(), "never seen"] for _ in range(20)]


def _called(name: str, *arguments: list[str], **given: float) -> Any:
    return OPERATORS[name].reference(*arguments, **constants_of(LEARNED[name], VALUES), **given)


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (1.5, 0.75), (0.0, 0.0), (2.0, 1.0)])
def test_bm25_is_its_formula(k1: float, b: float) -> None:
    vocabulary = {word: i for i, word in enumerate(sorted({*WORDS, "never seen"}))}
    tf = np.zeros((len(DOCUMENTS), len(vocabulary)))
    for row, document in enumerate(DOCUMENTS):
        for token in document:
            tf[row, vocabulary[token]] += 1
    df = (tf > 0).sum(0)
    idf = np.log(1 + (len(DOCUMENTS) - df + 0.5) / (df + 0.5))
    lengths = tf.sum(1, keepdims=True)
    weights = idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * lengths / lengths.mean()) + (tf == 0))
    for query in QUERIES:
        wanted = weights[:, [vocabulary[token] for token in query]].sum(1)
        got = [_called("bm25", query, document, k1=k1, b=b) for document in DOCUMENTS]
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=0)


def test_tf_idf_and_its_cosine_are_their_formulas() -> None:
    tokens = [*WORDS, "never seen"]
    idf = {token: np.log((1 + len(DOCUMENTS)) / (1 + COUNTS[token])) + 1 for token in tokens}
    vocabulary = sorted(idf)
    for query in QUERIES:
        wanted = [query.count(token) / len(query) * idf[token] for token in query]
        np.testing.assert_allclose(_called("tf_idf", query), wanted, rtol=1e-14)
        a = np.array([query.count(token) * idf[token] for token in vocabulary])
        for document in DOCUMENTS:
            b = np.array([document.count(token) * idf[token] for token in vocabulary])
            cosine = float(a @ b / np.sqrt((a @ a) * (b @ b)))
            assert _called("tf_idf_cosine", query, document) == pytest.approx(cosine, rel=1e-13, abs=1e-15)


def test_the_idf_of_a_token_that_is_in_every_document_is_not_negative() -> None:
    values = {"documents": 3, "mean_length": 1.0, "entries": {"the": 3}}
    constants = constants_of(LEARNED["bm25"], values)
    assert 0 < constants["idf"][0] < constants["unseen"]
