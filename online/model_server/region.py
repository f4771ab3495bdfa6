"""Memory that two processes share for tensors.

It has no name: it is there as long as one of the two holds it, so a process that is killed leaves nothing behind.
It may grow, by either side, and never shrinks (the kernel seals it), so what is mapped stays readable.

Where tensors lie in it is told as a *layout*: JSON, `[[name, type, shape, where it begins, whether one row lies there
that stands for all], …]`. Both sides know the last ones again, as calls are much alike.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
Pin = Callable[[int, int], Callable[[], None]]
"""Is told where so many bytes are mapped, and gives what is to be called before they are not."""

FIRST_BYTES = 1 << 16
MOST_BYTES = 1 << 32
_MOST_LAYOUTS = 64
_ALIGNMENT = 64
_TYPES = {name: np.dtype(name) for name in ("bool", "int32", "int64", "float32", "float64")}


class TooLarge(ValueError):
    """More than a region may hold."""


class Region:
    """Mapped memory behind a descriptor, which it owns."""

    def __init__(self, descriptor: int, pin: Pin | None = None) -> None:
        """Takes over what the other side made. Errors: `ValueError` for what may shrink, or is too large."""
        self.descriptor = descriptor
        self._map: mmap.mmap | None = None
        self._pin = pin
        self._unpin: Callable[[], None] | None = None
        self.size = 0
        self._places: dict[Hashable, tuple[bytes, list[npt.NDArray[Any]], int]] = {}
        """By where the first may begin, and names, types and shapes: layout, places, and where the last one ends."""
        self._found: dict[bytes, Arrays] = {}
        """By layout, the tensors."""
        try:
            if not fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
                raise ValueError("shared memory that may shrink")
            self.remap()
        except OSError as fault:
            self.close()
            raise ValueError(f"no shared memory: {fault}") from fault
        except ValueError:
            self.close()
            raise

    @classmethod
    def create(cls) -> Region:
        descriptor = os.memfd_create("featdsl-tensors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, FIRST_BYTES)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        return cls(descriptor)

    def close(self) -> None:
        """Lets go of it; arrays that were taken from it stay readable."""
        self._unpinned()
        self._map = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        self.close()

    def remap(self) -> None:
        """Maps what the other side has grown. Errors: `ValueError`."""
        size = os.fstat(self.descriptor).st_size
        if size > MOST_BYTES:
            raise TooLarge(f"shared memory of {size} bytes, at most {MOST_BYTES} are taken")
        if size > self.size:
            self._unpinned()
            self._map = mmap.mmap(self.descriptor, size)
            self.size = size
            if self._pin is not None:
                self._unpin = self._pin(ctypes.addressof(ctypes.c_char.from_buffer(self._map)), size)

    def _unpinned(self) -> None:
        self._places.clear()
        self._found.clear()
        unpin, self._unpin = self._unpin, None
        if unpin is not None:
            unpin()

    def reserve(self, size: int) -> None:
        """Grows it to at least `size` bytes. What was taken from it before stays valid. Errors: `TooLarge`."""
        if size <= self.size:
            return
        if size > MOST_BYTES:
            raise TooLarge(f"the tensors of a call have {size} bytes, at most {MOST_BYTES} are taken")
        os.ftruncate(self.descriptor, 1 << (size - 1).bit_length())
        self.remap()

    def put(self, tensors: Mapping[str, npt.NDArray[Any]], at: int) -> tuple[bytes, int]:
        """Copies tensors in, from `at` on. Returns their layout, and where the last one ends. Errors: `TooLarge`."""
        form = (at, *[(name, one.dtype, one.shape, is_one_row(one)) for name, one in tensors.items()])
        known = self._places.get(form)
        if known is None:
            known = self._placed(tensors, at)
            _remember(self._places, form, known)
        layout, places, end = known
        for place, tensor in zip(places, tensors.values(), strict=True):
            np.copyto(place, tensor if place.shape == tensor.shape else tensor[:1])
        return layout, end

    def _placed(
        self, tensors: Mapping[str, npt.NDArray[Any]], at: int
    ) -> tuple[bytes, list[npt.NDArray[Any]], int]:
        described: list[tuple[str, str, tuple[int, ...], int, bool]] = []
        there: list[tuple[int, npt.NDArray[Any]]] = []
        end = at
        for name, tensor in tensors.items():
            begin = _aligned(end)
            written = tensor[:1] if is_one_row(tensor) else tensor
            described.append((name, tensor.dtype.name, tensor.shape, begin, written is not tensor))
            there.append((begin, written))
            end = begin + written.nbytes
        self.reserve(end)
        places = [np.ndarray(one.shape, one.dtype, self._map, begin) for begin, one in there]
        return json.dumps(described).encode(), places, end

    def tensors(self, layout: bytes) -> Arrays:
        """The tensors themselves, not copies. Errors: `ValueError`, `TypeError` for what cannot be there."""
        found = self._found.get(layout)
        if found is None:
            found = self._tensors(layout)
            _remember(self._found, layout, found)
        return dict(found)

    def _tensors(self, layout: bytes) -> Arrays:
        found: Arrays = {}
        for name, type, shape, begin, repeated in json.loads(layout):
            if type not in _TYPES or begin < 0 or any(size < 0 for size in shape) or repeated > len(shape):
                raise ValueError(f"not a tensor: {name}")
            there = np.ndarray((1, *shape[1:]) if repeated else shape, _TYPES[type], self._map, begin)
            if repeated:
                there = np.ndarray(shape, there.dtype, self._map, begin, (0, *there.strides[1:]))
            found[name] = there
        return found

    def write(self, data: bytes, at: int) -> None:
        self.reserve(at + len(data))
        assert self._map is not None
        self._map[at : at + len(data)] = data

    def read(self, at: int, length: int) -> bytes:
        """Errors: `ValueError` for what lies outside."""
        if at + length > self.size or self._map is None:
            raise ValueError(f"{length} bytes at {at} of a region of {self.size}")
        return self._map[at : at + length]


def is_one_row(tensor: npt.NDArray[Any]) -> bool:
    """Whether all rows are one and the same, in memory."""
    return tensor.ndim > 0 and len(tensor) > 1 and tensor.strides[0] == 0


def _aligned(at: int) -> int:
    return -(-at // _ALIGNMENT) * _ALIGNMENT


def _remember(known: dict[Any, Any], key: Hashable, value: object) -> None:
    if len(known) >= _MOST_LAYOUTS:
        known.clear()
    known[key] = value
