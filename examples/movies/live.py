"""Clients that score without pause, and what they saw."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyarrow.parquet as pq

from online.client import ScorerClient

CLIENTS = 2
ITEMS_A_CALL = 50
SETTLE_S = 3.0
DEVICES = ("phone", "tv", "laptop")


@dataclass(frozen=True, slots=True)
class Call:
    """One scoring call: a user and candidates, real ones and now and then one that nobody knows."""

    user: int
    items: list[str]
    device: str


def sample_calls(data: Path, *, seed: int, count: int = 300) -> list[Call]:
    """Calls like a site's: users and movies as often as they occur, some of them new."""
    chance = random.Random(seed)
    log = pq.read_table(data / "interactions.parquet", columns=["user_id", "item_id"])
    users, items = log["user_id"].to_pylist(), log["item_id"].to_pylist()
    calls = []
    for i in range(count):
        user = 10**9 + i if i % 20 == 19 else chance.choice(users)
        wanted = [*(chance.choice(items) for _ in range(ITEMS_A_CALL - 1)), f"new-{i}"]
        calls.append(Call(user, wanted, chance.choice(DEVICES)))
    return calls


class Traffic:
    """Runs clients in threads between `__enter__` and `__exit__`."""

    def __init__(self, address: str, calls: list[Call]) -> None:
        self._address = address
        self._calls = calls
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(i,)) for i in range(CLIENTS)]
        self.latencies_ms: list[float] = []
        self.versions: list[int] = []
        self.failures: Counter[str] = Counter()
        self.went_back = 0
        self.scores: dict[tuple[int, int], float] = {}

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def settle(self, *, before_version: int) -> None:
        """Goes on for a while after the version before `before_version` has begun to answer."""
        give_up = time.monotonic() + 120
        while before_version - 1 not in self.versions[-1:] and time.monotonic() < give_up:
            time.sleep(0.02)
        time.sleep(SETTLE_S)

    def _client(self, number: int) -> None:
        newest = 0
        with ScorerClient(self._address) as client:
            i = number
            while not self._stop.is_set():
                call = self._calls[i % len(self._calls)]
                begun = time.perf_counter()
                try:
                    answer = client.score(
                        {"user": call.user, "item": call.items},
                        {"device": call.device},
                        {"channel": ["search", "home"] * (ITEMS_A_CALL // 2)},
                    )
                except Exception as failure:
                    with self._lock:
                        self.failures[str(failure)] += 1
                else:
                    with self._lock:
                        self.latencies_ms.append((time.perf_counter() - begun) * 1e3)
                        self.versions.append(answer.version)
                        self.went_back += answer.version < newest
                        if answer.scores:
                            self.scores[i % len(self._calls), answer.version] = answer.scores[0]
                    newest = answer.version
                i += CLIENTS

    def report(self) -> str:
        """What the clients saw, as lines for a person."""
        took = sorted(self.latencies_ms) or [0.0]
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        answered = Counter(self.versions)
        by_version = ", ".join(
            f"{count:,} by version {version}" for version, count in sorted(answered.items())
        )
        both = [k for k, version in self.scores if version == 1 and (k, 2) in self.scores]
        changed = sum(self.scores[k, 1] != self.scores[k, 2] for k in both)
        failed = sum(self.failures.values())
        lines = [
            f"   {len(self.versions):,} calls of {ITEMS_A_CALL} movies while version 2 was trained and published:",
            f"   {by_version}",
            f"   failed calls: {failed}; answers that went back to an older version: {self.went_back}",
            f"   {changed} of {len(both)} calls that both versions answered have other scores now",
            f"   latency with two clients, and the training on the same cores: p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        ]
        lines += [f"   failure ({count}): {what}" for what, count in self.failures.most_common(3)]
        return "\n".join(lines)
