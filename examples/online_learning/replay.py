"""The interactions again, in the order of time: each window is scored by the servers, then trained on, then known."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from features import Features
from ranker import Training
from torch import Tensor
from traffic import Answer, Clients
from world import Interaction, World

from compiler.bundle import Bundle
from model_sync import Publisher, Version
from store.interface import Store


@dataclass(frozen=True, slots=True)
class Scored:
    """One interaction, and what was said to it before anybody had trained on it. `new_user`, `new_movie`: they came
    after the frozen version was made; `rated`: how often the movie had been rated since then; `events`: how many
    interactions had happened when it was asked."""

    of: Interaction
    fresh: Answer
    frozen: Answer
    new_user: bool
    new_movie: bool
    rated: int
    events: int


@dataclass(frozen=True, slots=True)
class Published:
    """A version: how many rows of tables it tells, how many bytes it adds to the registry, of how many in all, and how
    long the training waited for it. `events`: how many interactions it had seen."""

    number: int
    watermark_us: int
    committed_s: float
    events: int
    rows: int
    bytes_added: int
    bytes_all: int
    took_s: float


@dataclass(slots=True)
class Replay:
    """What is replayed and what was seen. `run` goes on where the warm-up ended."""

    bundle: Bundle
    world: World
    features: Features
    training: Training
    publisher: Publisher
    store: Store
    scored: list[Scored] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    compared: int = 0
    difference: float = 0.0
    """Of a score by a server and by the trainer, the largest, and of how many."""

    _events: int = 0
    _last: Version | None = None
    _trained_since: bool = False

    def warm_up(self, windows: Sequence[Sequence[Interaction]]) -> float:
        """Trains on these, unscored. Returns the mean loss of the last tenth."""
        losses = [self._learn(window) for window in windows]
        last = losses[-max(1, len(losses) // 10) :]
        return sum(last) / len(last)

    def publish(self, watermark_us: int) -> Published:
        """A version now, whatever time it is."""
        began = time.perf_counter()
        return self._note(self.publisher.publish(watermark_us=watermark_us), watermark_us, began)

    def run(self, windows: Sequence[Sequence[Interaction]], clients: Clients) -> Iterator[int]:
        """Test, then train: `clients` ask the servers `fresh` and `frozen`. Gives the number of each window that is
        done."""
        users_then = frozenset(self.world.users())
        rated_then = self.world.ratings()
        for number, window in enumerate(windows):
            answers = clients.ask(window)
            inputs, liked = self.features.of(self.world, window)
            self._compare(inputs, answers)
            for place, one in enumerate(window):
                fresh, frozen = answers["fresh"][place], answers["frozen"][place]
                if fresh is not None and frozen is not None:
                    before = rated_then.get(one.item, 0)
                    rated = self.world.ratings_of(one.item) - before
                    new_user = one.user not in users_then
                    self.scored.append(Scored(one, fresh, frozen, new_user, not before, rated, self._events))
            loss = self._learn(window, (inputs, liked))
            self.world.write(self.store, self.bundle, window)
            began, watermark_us = time.perf_counter(), max(one.at_us for one in window)
            version = self.publisher.step(metrics={"loss": loss}, watermark_us=watermark_us)
            if version is not None:
                self._note(version, watermark_us, began)
            yield number

    def _learn(
        self, window: Sequence[Interaction], made: tuple[dict[str, Tensor], Tensor] | None = None
    ) -> float:
        loss = self.training.learn(*(made or self.features.of(self.world, window)))
        self.world.learn(window)
        self._events += len(window)
        self._trained_since = True
        return loss

    def _compare(self, inputs: dict[str, Tensor], answers: dict[str, list[Answer | None]]) -> None:
        """What the trainer says itself, where it has not trained on since the version that answered."""
        if self._trained_since or self._last is None:
            return
        ours = self.training.scores(inputs)
        for place, answer in enumerate(answers["fresh"]):
            if answer is not None and answer.version == self._last.number:
                self.compared += 1
                self.difference = max(self.difference, abs(answer.score - float(ours[place])))

    def _note(self, version: Version, watermark_us: int, began: float) -> Published:
        took = time.perf_counter() - began
        chunks = {chunk.sha256: chunk.size for chunk in version.chunks()}
        before = set() if self._last is None else {chunk.sha256 for chunk in self._last.chunks()}
        added = sum(size for name, size in chunks.items() if name not in before) + len(version.to_bytes())
        rows = 0
        for name, table in version.tables.items():
            old = () if self._last is None else self._last.tables[name].layers
            new = table.layers[len(old) :] if table.layers[: len(old)] == old else table.layers
            rows += sum(layer.rows + layer.deleted for layer in new)
        made = Published(
            version.number,
            watermark_us,
            version.created_at_us / 1e6,
            self._events,
            rows,
            added,
            version.size,
            took,
        )
        self.published.append(made)
        self._last, self._trained_since = version, False
        return made
