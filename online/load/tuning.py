"""The search for the server's options that answer the most calls a second within a bound for the p99.

The choices are few and coupled (a bigger batch pays only with more calls at once), so a grid is wasteful: Bayesian
search (optuna's tree of Parzen estimators) looks at a few percent of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from featdsl.errors import InputError

Choices = Mapping[str, Sequence[float]]
"""By option of `feat serve` the values to try, ascending."""

Flags = Mapping[str, float]

SHARE = 0.05
"""Of the grid, less than this is tried."""

_AT_RANDOM = 6
"""Trials before the search has something to go by."""

_FACTOR = 1.4
_FIRST_RATE = 40.0
_MOST_UP, _MOST_DOWN = 12, 8
_CONFIRMED = 3
"""Of the best sets of flags so many are looked at for longer, while the next one may be better than what held."""

_STEPS_BACK = 4


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried, and the calls a second that it answered within the bound; 0 for none. `p99_ms`: of those, where
    it was looked at for longer."""

    flags: Flags
    rate: float
    p99_ms: float = 0.0


def choices(cores: int) -> Choices:
    """What is worth a try on a machine of so many cores."""
    counts = [n for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if n <= cores]
    return {
        "workers": counts,
        "threads": [1, 2, 4, 8, 16],
        "model-threads": [n for n in (1, 2, 4, 8, 16) if n <= cores],
        "model-batch-rows": [0, 512, 1024, 2048, 4096, 8192],
        "model-delay-ms": [0, 1, 2, 5],
    }


def grid_size(space: Choices) -> int:
    return math.prod(len(values) for values in space.values())


def most_trials(space: Choices) -> int:
    """As many as stay below the share of the grid."""
    return max(1, math.ceil(SHARE * grid_size(space)) - 1)


def capacity(holds: Callable[[float], bool], first: float = _FIRST_RATE) -> float:
    """The greatest rate that holds, of those a factor of 1.4 apart, begun at `first`; 0 if none does."""
    rate = first
    if holds(rate):
        for _ in range(_MOST_UP):
            if not holds(rate * _FACTOR):
                break
            rate *= _FACTOR
        return rate
    for _ in range(_MOST_DOWN):
        rate /= _FACTOR
        if holds(rate):
            return rate
    return 0.0


def search(
    space: Choices,
    measure: Callable[[Flags, float], float],
    trials: int,
    told: Callable[[int, Trial], None],
    begin: Sequence[Flags] = (),
    seed: int = 1,
) -> list[Trial]:
    """Tries `trials` sets of flags, `begin` before all others, none twice; the best is first in what comes back.
    `measure` gives the rate of a set, begun at the rate of the best so far. Errors: `InputError` without optuna."""
    try:
        import optuna
    except ImportError as missing:
        raise InputError(
            "the package that searches is not installed: optuna",
            help="install it: `pip install 'featdsl[tune]'`",
        ) from missing
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_AT_RANDOM)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for flags in begin:
        study.enqueue_trial({name: list(values).index(flags[name]) for name, values in space.items()})
    known: dict[tuple[float, ...], Trial] = {}
    repeats = 0
    while len(known) < trials and repeats < 20 * trials:
        asked = study.ask()
        # the position among the choices: the search is to know that they are in order
        flags = {name: values[asked.suggest_int(name, 0, len(values) - 1)] for name, values in space.items()}
        key = tuple(flags.values())
        if key in known:
            repeats += 1
            study.tell(asked, known[key].rate)
            continue
        best = max((trial.rate for trial in known.values()), default=0.0)
        known[key] = Trial(flags, measure(flags, best or _FIRST_RATE))
        study.tell(asked, known[key].rate)
        told(len(known), known[key])
    return sorted(known.values(), key=lambda trial: -trial.rate)


def confirm(
    tried: Sequence[Trial],
    measure: Callable[[Trial], Trial],
    told: Callable[[Trial, Trial], None] = lambda claimed, found: None,
) -> Trial | None:
    """The best of what was tried, looked at again: short trials flatter what was lucky. `tried` begins with the best;
    `measure` gives what holds of a trial for longer. None if nothing does."""
    best: Trial | None = None
    for trial in tried[:_CONFIRMED]:
        if trial.rate <= (best.rate if best is not None else 0.0):
            break
        found = measure(trial)
        told(trial, found)
        if found.rate > (best.rate if best is not None else 0.0):
            best = found
    return best


def held(trial: Trial, p99_ms: Callable[[float], float]) -> Trial:
    """What holds of a trial: its rate, or one of the four below it in half the search's steps. `p99_ms`: of a rate, 0
    where it does not hold."""
    rate = trial.rate
    for _ in range(_STEPS_BACK + 1):
        found = p99_ms(rate)
        if found:
            return Trial(trial.flags, rate, found)
        rate /= _FACTOR**0.5
    return Trial(trial.flags, 0.0)
