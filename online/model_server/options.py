"""How a model's process runs its model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_MOST_RUNNERS = 4


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """`threads`: torch threads of one run. `runners`: runs at once, 0: as many as the processor has room for.

    `max_rows`: candidates of several calls are run together up to so many; 0: each call by itself. `max_delay_ms`:
    how long a call waits for others, if others are about; with 0 those are run together which came while another run
    went on. `tolerance`: the largest error, relative to the largest answer, that running together may bring.
    """

    threads: int = 1
    runners: int = 0
    max_rows: int = 4096
    max_delay_ms: float = 0.0
    tolerance: float = 1e-5

    @property
    def runs_at_once(self) -> int:
        return self.runners or min(_MOST_RUNNERS, max(1, len(os.sched_getaffinity(0)) // self.threads))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> ModelOptions:
        return cls(**given)
