"""Whether a model of another server takes what the program makes, and how each tensor is to be sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.signature import ModelSignature, TensorSignature
from online.errors import did_you_mean

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class RemoteTensor:
    """A tensor as the other server declares it. `dtype`: a scalar type of the language, or the server's own name for
    what is none; `shape`: None for a size that is not known, and for all where the rank is not."""

    dtype: str
    shape: Shape | None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What a version of another server takes and gives. `one_batch`: all tensors of a call must have the same
    number of rows."""

    inputs: Mapping[str, RemoteTensor]
    outputs: Mapping[str, RemoteTensor]
    one_batch: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """How one tensor is sent: `as_column`, [n] as [n, 1]; `repeated`, the one row of the request for each candidate."""

    name: str
    as_column: bool
    repeated: bool

    def prepared(self, tensor: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
        if self.repeated:
            tensor = np.repeat(tensor, rows, axis=0)
        return tensor[:, np.newaxis] if self.as_column else tensor


class Disagreement(Exception):
    """The other server's model is not one of this program; the text says every tensor that differs."""


def agree(ours: ModelSignature, theirs: RemoteModel) -> tuple[Sending, ...]:
    """How to send each input. Errors: `Disagreement`."""
    wrong = [*_wrong_inputs(ours.inputs, theirs), *_wrong_outputs(ours, theirs)]
    if wrong:
        raise Disagreement("; ".join(wrong))
    return tuple(
        Sending(
            tensor.name,
            _is_column(tensor.shape, theirs.inputs[tensor.name].shape),
            theirs.one_batch and tensor.per_request,
        )
        for tensor in ours.inputs
    )


def zeros(ours: ModelSignature, rows: int) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a call whose features are all zero."""
    return {
        tensor.name: np.zeros([rows if size is None else size for size in tensor.shape], tensor.dtype)
        for tensor in ours.inputs
    }


def rows_of(ours: ModelSignature, tensors: Mapping[str, npt.NDArray[Any]]) -> int:
    """How many candidates a call's tensors are of."""
    return next((len(tensors[t.name]) for t in ours.inputs if not t.per_request), 1)


def _wrong_inputs(ours: Sequence[TensorSignature], theirs: RemoteModel) -> Iterator[str]:
    names = {tensor.name for tensor in ours}
    for tensor in ours:
        remote = theirs.inputs.get(tensor.name)
        if remote is None:
            unused = [name for name in theirs.inputs if name not in names]
            yield f"the model takes no input `{tensor.name}`, {did_you_mean(tensor.name, unused or theirs.inputs)}"
        elif remote.dtype != tensor.dtype or not _fits(tensor, remote.shape):
            made = f"{tensor.dtype}{_shown(tensor.shape)}{' per request' if tensor.per_request else ''}"
            yield f"input `{tensor.name}` is {remote.dtype}{_shown(remote.shape)} there, the program makes {made}"
    for name, remote in theirs.inputs.items():
        if name not in names and not remote.optional:
            yield f"the model takes an input that the program does not make: `{name}`"


def _wrong_outputs(ours: ModelSignature, theirs: RemoteModel) -> Iterator[str]:
    for column in ours.outputs:
        remote = theirs.outputs.get(column.name)
        if remote is None:
            yield f"the model gives no output `{column.name}`, {did_you_mean(column.name, theirs.outputs)}"
        elif remote.shape is not None and not (
            len(remote.shape) == 1 or (len(remote.shape) == 2 and remote.shape[1] in (1, None))
        ):
            yield f"output `{column.name}` has shape {_shown(remote.shape)} there, wanted is one number a candidate"


def _fits(tensor: TensorSignature, remote: Shape | None) -> bool:
    if remote is None:
        return True
    if _is_column(tensor.shape, remote):
        remote = remote[:1]
    if len(remote) != len(tensor.shape):
        return False
    rows, *sizes = remote
    if rows is not None and not (tensor.per_request and rows == 1):
        return False
    return all(theirs is None or theirs == size for theirs, size in zip(sizes, tensor.shape[1:], strict=True))


def _is_column(ours: Shape, theirs: Shape | None) -> bool:
    return theirs is not None and len(ours) == 1 and len(theirs) == 2 and theirs[1] in (1, None)


def _shown(shape: Shape | None) -> str:
    return "[…]" if shape is None else f"[{', '.join('n' if size is None else str(size) for size in shape)}]"
