"""The calls of a load: whose, for which items, and when each is to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from online.messages import column_message, keys_message, value_message
from online.proto.scorer_pb2 import ScoreRequest

Key = int | str


@dataclass(frozen=True, slots=True)
class Mix:
    """What calls ask for. `one`: by entity per request the keys, one of which is drawn a call; `many`: by entity per
    candidate the keys, the likelier the earlier they stand (Zipf's law of exponent `zipf`), `items` distinct ones a
    call, or all where there are fewer. `candidate`: a value a field, for every candidate."""

    one: Mapping[str, Sequence[Key]]
    many: Mapping[str, Sequence[Key]]
    items: int
    zipf: float
    request: Mapping[str, Any] = field(default_factory=dict)
    candidate: Mapping[str, Any] = field(default_factory=dict)


class CallMaker:
    """Makes calls of a mix, ready to be sent."""

    def __init__(self, mix: Mix, seed: int) -> None:
        self._mix = mix
        self._random = np.random.default_rng(seed)
        self._request = {name: value_message(value) for name, value in mix.request.items()}
        self._sums = {name: _cumulative(len(keys), mix.zipf) for name, keys in mix.many.items()}

    def intended(self, rate: float, seconds: float) -> npt.NDArray[np.float64]:
        """When calls are to be sent, in seconds from the start: a Poisson process."""
        most = int(rate * seconds + 10 * (rate * seconds) ** 0.5 + 10)
        times = np.cumsum(self._random.exponential(1 / rate, most))
        return times[times < seconds]

    def call(self) -> bytes:
        mix = self._mix
        keys = {
            name: keys_message(drawn[int(self._random.integers(len(drawn)))])
            for name, drawn in mix.one.items()
        }
        size = 0
        for name, drawn in mix.many.items():
            rows = self._rows(self._sums[name], mix.items)
            size = len(rows)
            keys[name] = keys_message([drawn[row] for row in rows])
        message = ScoreRequest(
            keys=keys,
            request=self._request,
            candidate={name: column_message([value] * size) for name, value in mix.candidate.items()},
            want_timings=True,
        )
        return bytes(message.SerializeToString())

    def _rows(self, sums: npt.NDArray[np.float64], wanted: int) -> list[int]:
        """Distinct rows; what the likely ones leave open is filled from the front."""
        found: dict[int, None] = {}
        for _ in range(8):
            drawn = np.searchsorted(sums, self._random.random(2 * wanted) * sums[-1], side="right")
            found.update(dict.fromkeys(np.minimum(drawn, len(sums) - 1).tolist()))
            if len(found) >= wanted:
                break
        else:
            found.update(dict.fromkeys(range(min(len(sums), 2 * wanted))))
        return list(found)[:wanted]


def _cumulative(size: int, exponent: float) -> npt.NDArray[np.float64]:
    sums: npt.NDArray[np.float64] = np.cumsum(np.arange(1, size + 1, dtype=np.float64) ** -exponent)
    return sums
