"""The lists that a call is mapped over, level by level: whether they are aligned, and the list that comes out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from featdsl.check.nodes import Alignment, aligned_as
from featdsl.typed import Typed
from featdsl.types import Kind, Type, list_of, vector_of


@dataclass(slots=True)
class Level:
    """The lists at one depth, which go element by element."""

    alignment: Alignment
    nullable: bool
    vectors: bool
    size: int | None


@dataclass(slots=True)
class Levels:
    """Outermost first. `within` so many of them stands the def that holds the call: what becomes null there is null
    for the def."""

    within: int = 0
    levels: list[Level] = field(default_factory=list)

    def add(self, value: Typed, depth: int) -> bool:
        """Goes `depth` lists deep into an argument. False where it is not aligned with those before."""
        type, alignment = value.type, aligned_as(value)
        for number in range(depth):
            assert alignment is not None
            keeps = alignment.keeps_null or (type.item.nullable and number + 1 != self.within)
            if number == len(self.levels):
                here = Alignment(alignment.name, keeps)
                self.levels.append(Level(here, type.nullable, type.kind is Kind.VECTOR, type.size))
            else:
                level = self.levels[number]
                if level.alignment != alignment:
                    return False
                level.alignment = Alignment(alignment.name, keeps or level.alignment.keeps_null)
                level.nullable |= type.nullable
                level.vectors &= type.kind is Kind.VECTOR
            type, alignment = type.item, alignment.inner
        return True

    @property
    def drops_null(self) -> bool:
        """Whether an element that becomes null is dropped."""
        return len(self.levels) != self.within and not self.levels[-1].alignment.keeps_null

    def around(self, element: Type, inner: Alignment | None) -> tuple[Type, Alignment | None]:
        """The list of these elements, and its alignment; `inner` is that of an element."""
        dropping = element.nullable and self.drops_null
        type, alignment = element.optional(False) if dropping else element, inner
        for number in range(len(self.levels) - 1, -1, -1):
            level = self.levels[number]
            vector = level.vectors and level.size is not None
            type = vector_of(type, level.size or 0) if vector else list_of(type)
            type = type.optional(level.nullable)
            own = dropping and number == len(self.levels) - 1
            alignment = None if own else replace(level.alignment, inner=alignment)
        return type, alignment
