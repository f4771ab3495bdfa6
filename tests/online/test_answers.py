"""Answers as bytes: what protobuf would write, field by field."""

from __future__ import annotations

import numpy as np
import pytest

from online.answers import OK, Scored, answer_of, order
from online.proto.scorer_pb2 import Output, RowStatus, ScoreAnswer, Timing


def scored(size: int, dropped: list[int]) -> Scored:
    random = np.random.default_rng(size)
    keep = np.ones(size, np.bool_)
    keep[dropped] = False
    scores = random.normal(size=size).round(1)
    return Scored(scores, keep, random.integers(0, 4, size).astype(np.uint8), OK, {"like": scores * 2})


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 16_384, 16_385, 2_100_000])
@pytest.mark.parametrize("top_k", [0, 3, 1_000])
@pytest.mark.parametrize("cut", [False, True])
def test_bytes_are_those_of_the_message(size: int, top_k: int, cut: bool) -> None:
    dropped = [place for place in (0, 5, 127, 128, 16_384) if cut and place < size]
    given = scored(size, dropped)
    positions = order(given, top_k)
    wanted = ScoreAnswer(
        scores=given.scores[positions].tolist(),
        positions=positions.tolist(),
        statuses=given.statuses[positions].tolist(),
        dropped=dropped,
        request_status=RowStatus.Name(OK),
        outputs=[Output(name="like", values=given.outputs["like"][positions].tolist())]
        if size < 1_000
        else [],
        model="m",
        version=3,
        fingerprint="f",
        timings=[Timing(stage="fetch", milliseconds=1.5)],
    )
    made = answer_of(given, top_k, size < 1_000, [("fetch", 0.0015)], model="m", version=3, fingerprint="f")
    assert made == wanted.SerializeToString()
