"""Which rows a call needs, in how many rounds: the keys of a round are known once the one before it has been
read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from compiler.inputs import in_reading_order
from featdsl.levels import Level
from featdsl.program import Schema, Source
from store.read import wanted_fields


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """The sources to read, in rounds; the store is asked once a round."""

    rounds: tuple[tuple[Source, ...], ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(source for sources in self.rounds for source in sources)

    def without_items(self) -> FetchPlan:
        """What is left where all items are known."""
        rounds = (
            tuple(source for source in sources if source.level is not Level.ITEM) for sources in self.rounds
        )
        return FetchPlan(tuple(sources for sources in rounds if sources))


def plan_fetch(schema: Schema, inputs: Collection[str]) -> FetchPlan:
    """The plan for a program that reads these inputs (`user`, `movie.year`, …), those included that hold the
    keys of sources."""
    round_of: dict[str, int] = {}
    rounds: list[list[Source]] = []
    for source in in_reading_order(schema.sources):
        if not wanted_fields(source.name, source.fields, inputs):
            continue
        number = round_of.get(source.key.split(".")[0], -1) + 1
        round_of[source.name] = number
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(source)
    return FetchPlan(tuple(tuple(sources) for sources in rounds))
