"""How a model's process runs its model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DTYPES = ("float32", "bfloat16")
_TOLERANCES = {"float32": 1e-5, "bfloat16": 0.02}
_TF32_TOLERANCE = 0.005
_MOST_RUNNERS = 4


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """`threads`: torch threads of one run. `runners`: runs at once, 0: as many as the processor has room for.

    `max_rows`: candidates of several calls are run together up to so many; 0: each call by itself. `max_delay_ms`:
    how long a call waits for others, if others are about; with 0 those are run together which came while another run
    went on.

    `device`: `cpu`, `cuda`, `cuda:N`, or `auto` for a CUDA device where there is one. There, `cuda_graphs`: the whole
    model is one launch, for a fixed number of rows; `tf32`: float32 products are rounded to ten bits.

    `dtype`: of products with parameters, `float32` or `bfloat16`. `split`: what products read of the request is
    computed once a call; `item_parts`: and what is an item's alone once an item, for a caller that keeps it. `compile`:
    the graph is compiled to machine code before a version serves. `tolerance`: the largest error, relative to the
    largest answer in float32, that all this may bring, 0: 1e-5, 0.005 with tf32, 0.02 with bfloat16. A version whose
    products bring more is refused; compiled code, and running calls together, are left off.
    """

    threads: int = 1
    runners: int = 0
    max_rows: int = 4096
    max_delay_ms: float = 0.0
    dtype: str = "float32"
    split: bool = False
    item_parts: bool = False
    compile: bool = False
    device: str = "cpu"
    cuda_graphs: bool = True
    tf32: bool = False
    tolerance: float = 0.0

    @property
    def largest_error(self) -> float:
        usual = _TOLERANCES[self.dtype]
        return self.tolerance or (max(usual, _TF32_TOLERANCE) if self.tf32 else usual)

    @property
    def runs_at_once(self) -> int:
        return self.runners or min(_MOST_RUNNERS, max(1, len(os.sched_getaffinity(0)) // self.threads))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> ModelOptions:
        return cls(**given)
