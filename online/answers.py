"""What a scored call is answered with: order, cut, and the message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
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
    """A call's results, a row a candidate: `scores` float64 [n], `keep` bool [n] or None for all, `statuses` [n] of
    `RowStatus`, and the model's `outputs` by name, [n] each."""

    scores: npt.NDArray[np.float64]
    keep: npt.NDArray[np.bool_] | None
    statuses: npt.NDArray[np.uint8]
    request_status: int
    outputs: Mapping[str, npt.NDArray[Any]]


def order(scored: Scored, top_k: int) -> npt.NDArray[np.int64]:
    """The kept candidates' positions: in the call's order, or with `top_k` the best so many, best first,
    equals by position."""
    kept = np.arange(len(scored.scores)) if scored.keep is None else np.flatnonzero(scored.keep)
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
) -> bytes:
    """A `ScoreAnswer` as bytes. `timings` in seconds by stage, None where they are not wanted."""
    scores, statuses, keep, dropped = scored.scores, scored.statuses, scored.keep, b""
    if not top_k and (keep is None or bool(keep.all())):
        positions, places = None, _counted(len(scores))
    else:
        positions = order(scored, top_k)
        scores, statuses, places = scores[positions], statuses[positions], _varints(positions)
        if keep is not None:
            dropped = _varints(np.flatnonzero(~keep))
    rest = _told(scored.request_status, model, version, fingerprint)
    if want_outputs or timings:
        message = ScoreAnswer.FromString(rest)
        for name, values in scored.outputs.items() if want_outputs else ():
            given = values if positions is None else values[positions]
            message.outputs.append(Output(name=name, values=given.tolist()))
        for stage, seconds in timings or ():
            message.timings.append(Timing(stage=stage, milliseconds=seconds * 1e3))
        rest = message.SerializeToString()
    return b"".join(
        (
            _packed(ScoreAnswer.SCORES_FIELD_NUMBER, scores.tobytes()),
            _packed(ScoreAnswer.POSITIONS_FIELD_NUMBER, places),
            _packed(ScoreAnswer.STATUSES_FIELD_NUMBER, statuses.tobytes()),  # each less than 128
            _packed(ScoreAnswer.DROPPED_FIELD_NUMBER, dropped),
            rest,
        )
    )


@lru_cache(maxsize=256)
def _told(request_status: int, model: str, version: int, fingerprint: str) -> bytes:
    """What most answers say apart from their candidates."""
    answer: ScoreAnswer = ScoreAnswer(
        request_status=RowStatus.Name(request_status), model=model, version=version, fingerprint=fingerprint
    )
    return bytes(answer.SerializeToString())


# --- what is long, as protobuf writes it: making a message of it takes longer than all the rest --------------------


def _packed(field: int, data: bytes) -> bytes:
    """A packed repeated field; an empty one is not written."""
    return _varint(field << 3 | 2) + _varint(len(data)) + data if data else b""


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


@lru_cache(maxsize=256)
def _counted(size: int) -> bytes:
    return _varints(np.arange(size))


def _varints(numbers: npt.NDArray[np.int64]) -> bytes:
    """Numbers that are not negative, one behind the other, seven bits a byte."""
    if not numbers.size:
        return b""
    shifts = np.arange(0, max(1, int(numbers.max()).bit_length()), 7)
    rest = numbers[:, None] >> shifts
    written = (rest & 0x7F) | (rest > 0x7F) * 0x80
    there = rest > 0
    there[:, 0] = True
    return written[there].astype(np.uint8).tobytes()
