"""What a scored call is answered with: order, cut, and the message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from online.proto.scorer_pb2 import Output, RowStatus, ScoreAnswer, Timing

OK: int = RowStatus.ROW_OK
MISSING: int = RowStatus.ROW_MISSING
UNREADABLE: int = RowStatus.ROW_UNREADABLE
STORE_DOWN: int = RowStatus.ROW_STORE_DOWN


@dataclass(frozen=True, slots=True)
class Scored:
    """A call's results, a row a candidate: `scores` float64 [n], `keep` bool [n], `statuses` [n] of
    `RowStatus`, and the model's `outputs` by name, [n] each."""

    scores: npt.NDArray[np.float64]
    keep: npt.NDArray[np.bool_]
    statuses: npt.NDArray[np.uint8]
    request_status: int
    outputs: Mapping[str, npt.NDArray[Any]]


def order(scored: Scored, top_k: int) -> npt.NDArray[np.int64]:
    """The kept candidates' positions: in the call's order, or with `top_k` the best so many, best first,
    equals by position."""
    kept = np.flatnonzero(scored.keep)
    if not top_k:
        return kept
    best = np.argsort(-scored.scores[kept], kind="stable")
    return kept[best[:top_k]]


def answer_of(
    scored: Scored,
    top_k: int,
    want_outputs: bool,
    timings: list[tuple[str, float]] | None,
    *,
    model: str,
    version: int,
    fingerprint: str,
) -> ScoreAnswer:
    """The message. `timings` in seconds by stage, None where they are not wanted."""
    positions = order(scored, top_k)
    return ScoreAnswer(
        scores=scored.scores[positions].tolist(),
        positions=positions.tolist(),
        statuses=scored.statuses[positions].tolist(),
        dropped=np.flatnonzero(~scored.keep).tolist(),
        request_status=RowStatus.Name(scored.request_status),
        outputs=[
            Output(name=name, values=values[positions].tolist()) for name, values in scored.outputs.items()
        ]
        if want_outputs
        else [],
        model=model,
        version=version,
        fingerprint=fingerprint,
        timings=[Timing(stage=stage, milliseconds=seconds * 1e3) for stage, seconds in timings or []],
    )
