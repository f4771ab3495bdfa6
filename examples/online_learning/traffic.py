"""Calls to the scoring servers: a window's, which are what is measured, and one that is made again and again to see
when a version serves."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from world import Interaction

from featdsl.errors import FeatError
from online.client import ScorerClient

THREADS = 4
LOOKS_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to one interaction: the score, of which version, and when (seconds since 1970)."""

    score: float
    version: int
    at_s: float


class Clients:
    """Asks several servers the same. `failures`: what went wrong, and how often."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._clients = {name: ScorerClient(address) for name, address in addresses.items()}
        self._pool = ThreadPoolExecutor(THREADS)
        self.failures: Counter[str] = Counter()
        self.calls = 0

    def close(self) -> None:
        self._pool.shutdown()
        for client in self._clients.values():
            client.close()

    def ask(self, window: Sequence[Interaction]) -> dict[str, list[Answer | None]]:
        """By server an answer for each interaction, None where the call failed. A call has one user, and the movies
        that the user rated."""
        calls: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, one in enumerate(window):
            calls[one.user, one.at_us].append(place)
        asked: dict[str, list[tuple[list[int], Future[list[Answer]]]]] = {name: [] for name in self._clients}
        for (user, at_us), places in calls.items():
            items = [window[place].item for place in places]
            for name, client in self._clients.items():
                asked[name].append((places, self._pool.submit(_score, client, user, items, at_us)))
        answers: dict[str, list[Answer | None]] = {name: [None] * len(window) for name in self._clients}
        for name, futures in asked.items():
            for places, future in futures:
                self.calls += 1
                try:
                    for place, answer in zip(places, future.result(), strict=True):
                        answers[name][place] = answer
                except FeatError as failure:
                    self.failures[f"{name}: {failure}"] += 1
        return answers


def _score(client: ScorerClient, user: int, items: list[str], at_us: int) -> list[Answer]:
    answer = client.score({"user": user, "item": items}, {"at": at_us})
    now = time.time()
    scores = dict(zip(answer.positions, answer.scores, strict=True))
    return [Answer(scores[place], answer.version, now) for place in range(len(items))]


class Watch:
    """One call again and again, in a thread: since when each version answers."""

    def __init__(self, address: str, call: Interaction) -> None:
        self._address, self._call = address, call
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.since_s: dict[int, float] = {}
        self.calls = 0
        self.went_back = 0
        self.failures: Counter[str] = Counter()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        newest = 0
        with ScorerClient(self._address) as client:
            while not self._stop.wait(LOOKS_EVERY_S):
                self.calls += 1
                try:
                    answer = _score(client, self._call.user, [self._call.item], self._call.at_us)[0]
                except FeatError as failure:
                    self.failures[f"watch: {failure}"] += 1
                    continue
                self.since_s.setdefault(answer.version, answer.at_s)
                self.went_back += answer.version < newest
                newest = max(newest, answer.version)
