"""How many programs are drawn, and from where.

`RANDOM_PROGRAMS` is the number for all overloads together, `RANDOM_SEED` another beginning than the fixed one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from tests.random_programs.generate import all_callees

SEED = int(os.environ.get("RANDOM_SEED", "0"))


def examples_each(default: int) -> int:
    """How many programs each overload and each def gets, if the default for all of them together is `default`."""
    wanted = int(os.environ.get("RANDOM_PROGRAMS", default))
    return max(1, math.ceil(wanted / sum(map(len, all_callees().values()))))


def draw(
    strategy: st.SearchStrategy[Any],
    count: int,
    use: Callable[[Any], None],
    *,
    shrink: bool = True,
    simplest: bool = True,
) -> None:
    """Calls `use` with `count` values, always the same ones for a seed; what fails is made smaller. The first is the
    simplest value, if it is wished for; each other is drawn by itself: Hypothesis would make most of them by small
    changes of one before."""
    for turn in range(0 if simplest else 1, count if simplest else count + 1):
        _draw_one(strategy if turn == 0 else _not_simplest(strategy), turn, use, shrink)


def _draw_one(strategy: st.SearchStrategy[Any], turn: int, use: Callable[[Any], None], shrink: bool) -> None:
    @seed(SEED * 1_000_003 + turn)
    @settings(
        max_examples=1,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        use(value)

    run()


@st.composite
def _not_simplest(draw: st.DrawFn, strategy: st.SearchStrategy[Any]) -> Any:
    """Hypothesis begins with the simplest example: that one is refused."""
    assume(draw(st.integers(0, 1 << 16)))
    return draw(strategy)
