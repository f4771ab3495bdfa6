"""What a model server is to the scoring server, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

Tensors = Mapping[str, npt.NDArray[Any]]


class ModelRefused(Exception):
    """A version that must not serve; the text says why, for logs and `GetModels`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ModelServerDown(Exception):
    """The model server does not answer now. It may again later."""


class ModelNotReady(ModelServerDown):
    """The model server answers and does not have this version ready: not yet, no more, or not as the program
    needs it. A version that is waited for, not one that is refused."""


class ModelOverloaded(Exception):
    """The model server has too many calls waiting."""


class ModelTimeout(Exception):
    """No answer within the deadline."""


class CallerGone(Exception):
    """Nobody waits for the answer any more; what was asked has been ended."""


class ModelFailed(Exception):
    """The model itself failed on these tensors."""


class ModelRefusedInputs(ModelFailed):
    """The model server takes other tensors than these."""


class ModelServer(Protocol):
    """Runs versions of one model, each known by a number of the caller's. Safe to share among threads."""

    load_starts_threads: bool
    """Whether calls may go through threads that `load` or `unload` has started, and so with the asker's priority."""

    def load(self, version: int, directory: Path) -> None:
        """Loads a version (a folder whose files were verified) and warms it, apart from serving: calls of
        `predict` go on meanwhile. A version that is loaded already is left as it is.
        Errors: `ModelRefused(reason)`, `ModelNotReady` where loading is not this one's to do, or
        `ModelServerDown`."""

    def unload(self, version: int) -> None:
        """Lets go of a version; one that is not loaded is no error."""

    def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, npt.NDArray[Any]]:
        """The model's outputs by name, [n] each, of the tensors of one call: those per request have one row,
        all others n; of some one row may be seen n times (a stride of 0). `deadline_s` is the time that is left, in
        seconds.
        Errors: `ModelServerDown`, `ModelNotReady`, `ModelOverloaded`, `ModelTimeout`, `ModelFailed`, `CallerGone`."""

    def ping(self, version: int) -> None:
        """Returns if a version that is loaded would answer. Errors: `ModelServerDown`."""

    def has(self, version: int) -> bool:
        """False if a version that was loaded is known to be there no more."""

    def followed(self) -> int | None:
        """The version that the model server itself says is to serve (by a label); None: the registry says it.
        Errors: `ModelServerDown`, `ModelNotReady`."""

    def close(self) -> None:
        """Stops what it started."""


@dataclass(frozen=True, slots=True)
class ItemParts:
    """What a version makes of an item's inputs, `made_of`, once, and reads in their place. `parts`: of each its type
    and its shape behind the rows; `beside`: the inputs that it reads with them. `identity`: where it is another one,
    parts are others."""

    identity: str
    made_of: tuple[str, ...]
    parts: Mapping[str, tuple[str, tuple[int, ...]]]
    beside: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> ItemParts:
        parts = {name: (dtype, tuple(shape)) for name, (dtype, shape) in given["parts"].items()}
        return cls(given["identity"], tuple(given["made_of"]), parts, tuple(given["beside"]))


@runtime_checkable
class PartingModelServer(ModelServer, Protocol):
    """One whose versions may make what is an item's alone apart from the rest. Errors: as of `predict`; of parts that
    are another version's, `ModelFailed`."""

    def item_parts(self, version: int) -> ItemParts | None:
        """None for a version that is run whole."""

    def make_parts(
        self, version: int, of: ItemParts, tensors: Tensors, deadline_s: float
    ) -> dict[str, npt.NDArray[Any]]:
        """The parts of items, of the inputs `of.made_of`, a row an item."""

    def predict_with_parts(
        self, version: int, of: ItemParts, tensors: Tensors, deadline_s: float
    ) -> dict[str, npt.NDArray[Any]]:
        """What `predict` gives, but for its last bits, of the parts of the candidates and the inputs `of.beside`."""
