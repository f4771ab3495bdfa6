"""What a load's steps came to: numbers for people and machines."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from featdsl.errors import ServiceError
from online.load.driver import Taken

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Step:
    """One rate. Times in milliseconds by percentile; `stages`: by stage, in their order. `hit_rate` of the item
    cache and `cores` (processor seconds a second) of the server, None where its metrics are not asked."""

    rate: float
    answered_a_second: float
    calls: int
    error_share: float
    errors: dict[str, int]
    latency_ms: dict[str, float]
    worst_ms: float
    stages: dict[str, dict[str, float]]
    sent_late_ms: float
    hit_rate: float | None
    cores: float | None

    @property
    def keeps_up(self) -> bool:
        """Whether the server answers what comes: hardly an error, and nothing piles up."""
        return self.error_share <= 0.01 and self.answered_a_second >= 0.9 * self.calls_a_second

    @property
    def calls_a_second(self) -> float:
        """As drawn: a Poisson process is not exactly at its rate."""
        return self.answered_a_second / max(1e-9, 1 - self.error_share)


def step_of(taken: Taken, before: Mapping[str, float], after: Mapping[str, float]) -> Step:
    """`before`, `after`: what the server's metrics said around it, empty where they are not asked."""
    seen = {name: after[name] - before.get(name, 0.0) for name in after}
    lookups = sum(
        value for name, value in seen.items() if name.startswith("featdsl_item_cache_lookups_total")
    )
    hits = seen.get('featdsl_item_cache_lookups_total{result="hit"}', 0.0)
    return Step(
        rate=taken.rate,
        answered_a_second=len(taken.latencies) / taken.seconds,
        calls=taken.calls,
        error_share=taken.errors.total() / max(1, taken.calls),
        errors=dict(taken.errors),
        latency_ms=_percentiles(taken.latencies),
        worst_ms=max(taken.latencies, default=0.0) * 1e3,
        stages={stage: _percentiles(times) for stage, times in taken.stages.items()},
        sent_late_ms=taken.late * 1e3,
        hit_rate=hits / lookups if lookups else None,
        cores=seen["process_cpu_seconds_total"] / taken.seconds
        if "process_cpu_seconds_total" in seen
        else None,
    )


def scrape(urls: Sequence[str]) -> dict[str, float]:
    """The samples of the servers' metrics, added up. Errors: `ServiceError`."""
    found: dict[str, float] = {}
    for url in urls:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError as fault:
            raise ServiceError(f"no metrics are told there: {url} ({fault})") from fault
        for line in lines:
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found[name] = found.get(name, 0.0) + float(value)
    return found


def as_json(steps: Sequence[Step]) -> list[dict[str, object]]:
    return [asdict(step) for step in steps]


def table(steps: Sequence[Step]) -> str:
    """A line a rate; below, the time by stage at the highest rate that the server kept up with."""
    header = f"{'asked/s':>9} {'answered/s':>10} {'errors':>7} " + " ".join(
        f"{f'p{p:g} ms':>9}" for p in PERCENTILES
    )
    lines = [header + f" {'worst':>9} {'hits':>6} {'cores':>6}"]
    for step in steps:
        times = " ".join(f"{step.latency_ms[f'p{p:g}']:9.2f}" for p in PERCENTILES)
        hits = "" if step.hit_rate is None else f"{step.hit_rate:6.1%}"
        cores = "" if step.cores is None else f"{step.cores:6.2f}"
        lines.append(
            f"{step.rate:9.1f} {step.answered_a_second:10.1f} {step.error_share:7.2%} {times} "
            f"{step.worst_ms:9.2f} {hits:>6} {cores:>6}".rstrip()
        )
        lines += [f"{'':>9} {count} {reason}" for reason, count in sorted(step.errors.items())]
    good = [step for step in steps if step.keeps_up]
    if good:
        lines += ["", f"in the server at {good[-1].rate:g} calls a second, ms:"]
        lines += [
            f"  {stage:<9} p50 {times['p50']:8.3f}  p99 {times['p99']:8.3f}"
            for stage, times in good[-1].stages.items()
        ]
    late = max((step.sent_late_ms for step in steps), default=0.0)
    if late > 10:
        lines += [
            "",
            f"the senders were up to {late:.0f} ms late: more --clients, or another machine for them",
        ]
    return "\n".join(lines)


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {f"p{p:g}": 0.0 for p in PERCENTILES}
    found = np.percentile(np.array(seconds) * 1e3, PERCENTILES, method="higher")
    return {f"p{p:g}": float(value) for p, value in zip(PERCENTILES, found, strict=True)}
