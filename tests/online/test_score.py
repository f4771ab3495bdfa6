"""Scoring, over the wire, from a real store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featdsl.errors import InputError
from online.client import ScorerClient
from tests.online.shop import AT, REQUEST, WeightModel, bundle, serving

KEYS = {"shopper": 1, "item": ["a", "b", "d", "a", "nothing"]}


def dense_sum(item: str) -> float:
    """price + maker_age + liked_price + title_length + same_age of shopper 1 in 2020, by hand."""
    liked_price = (10.0 + 0.0 + 0.0) / 3
    return {
        "a": 1.5 + (2020 - 1920) + liked_price + 4 + 1,
        "d": 4.0 + (2020 - 1900) + liked_price + 4 + 0,
        "nothing": 0.0 + (2020 - 1900) + liked_price + 0 + 0,
    }[item]


def test_scores_are_in_the_calls_order_and_keep_is_applied(client: ScorerClient) -> None:
    answer = client.score(KEYS, {**REQUEST, "at": AT})
    assert answer.positions == [0, 2, 3, 4]
    assert answer.dropped == [1]
    expected = [2 * dense_sum(item) for item in ("a", "d", "a", "nothing")]
    assert answer.scores == pytest.approx(expected, rel=1e-6)
    assert answer.statuses == ["ok", "ok", "ok", "missing"]
    assert answer.request_status == "ok"
    assert (answer.model, answer.version, answer.fingerprint) == ("ranker", 1, bundle().fingerprint)
    assert answer.outputs == {}
    assert answer.timings == []


def test_top_k_sorts_cuts_and_breaks_ties_by_position(client: ScorerClient) -> None:
    answer = client.score(KEYS, {**REQUEST, "at": AT}, top_k=3)
    assert answer.positions == [2, 4, 0]
    assert answer.scores == sorted(answer.scores, reverse=True)
    assert answer.dropped == [1]
    assert client.score(KEYS, REQUEST, top_k=99).positions == [2, 4, 0, 3]


def test_what_cannot_be_asked_is_told_before_it_is_sent(client: ScorerClient) -> None:
    for top_k in (-1, 1 << 32):
        with pytest.raises(InputError, match="top_k is not a number from 0 to"):
            client.score({"shopper": 1, "item": ["a"]}, REQUEST, top_k=top_k)
    with pytest.raises(InputError, match="one candidate is explained, so `item` has one key"):
        client.explain({"shopper": 1, "item": ["a", "b"]}, REQUEST)


def test_candidate_columns_reach_the_score(client: ScorerClient) -> None:
    boost = np.array([0.5, 0.0, 1000.0, 0.25, 0.1])
    plain = client.score(KEYS, {**REQUEST, "at": AT})
    answer = client.score(KEYS, {**REQUEST, "at": AT}, {"boost": boost, "channel": ["x"] * 5})
    added = [after - before for after, before in zip(answer.scores, plain.scores, strict=True)]
    assert added == pytest.approx([0.5, 1000.0, 0.25, float(np.float32(0.1))], abs=1e-9)


def test_outputs_and_timings_on_request(client: ScorerClient) -> None:
    answer = client.score(KEYS, REQUEST, top_k=2, want_outputs=True, want_timings=True)
    assert answer.outputs["like"] == answer.scores
    assert answer.outputs["buy"] == [2.0, 2.0]
    stages = [stage for stage, _ in answer.timings]
    assert stages == ["queue", "admit", "fetch", "decode", "fetch", "decode", "features", "model", "after"]


def test_an_unknown_user_scores_with_defaults_and_it_says_so(client: ScorerClient) -> None:
    answer = client.score({"shopper": 404, "item": ["b"]}, REQUEST)
    assert answer.positions == [0]
    assert answer.request_status == "missing"
    assert answer.statuses == ["ok"]


def test_no_items_is_an_empty_answer_with_a_version(client: ScorerClient) -> None:
    answer = client.score({"shopper": 1, "item": []}, REQUEST)
    assert (answer.scores, answer.positions, answer.version) == ([], [], 1)


def test_the_clock_is_the_servers_where_the_call_names_no_time(client: ScorerClient) -> None:
    before = client.explain({"shopper": 1, "item": "a"}, REQUEST).inputs["request.at"]
    after = client.explain({"shopper": 1, "item": "a"}, {**REQUEST, "at": None}).inputs["request.at"]
    assert AT < before < after


def test_a_score_that_is_not_finite_is_zero(
    lmdb_url: str, registry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(WeightModel):
        def predict(self, version, tensors, deadline_s):  # type: ignore[no-untyped-def]
            found = super().predict(version, tensors, deadline_s)
            found["like"][0] = np.nan
            return found

    with serving(lmdb_url, registry, Broken()) as (_, client):
        answer = client.score({"shopper": 2, "item": ["a", "b"]}, REQUEST, top_k=2)
    assert answer.positions == [1, 0]
    assert answer.scores[1] == 0.0
    assert any("version 1 of the model gives what is not finite for like (1 v" in m for m in caplog.messages)


def test_get_models_tells_the_program_and_the_versions(client: ScorerClient) -> None:
    info = client.models()
    assert [(e.name, e.type, e.per_candidate) for e in info.entities] == [
        ("shopper", "int64", False),
        ("item", "string", True),
    ]
    assert [(f.name, f.type, f.required) for f in info.request] == [
        ("at", "timestamp", False),
        ("country", "string", True),
        ("limits", "list<float64>", False),
    ]
    assert info.fingerprint == bundle().fingerprint
    assert info.store_ok
    (model,) = info.models
    assert (model.name, model.serving_version, model.outputs) == ("ranker", 1, ["like", "buy"])
    assert [(v.version, v.state) for v in model.versions] == [(1, "serving")]
