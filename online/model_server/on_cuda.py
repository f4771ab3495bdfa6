"""Runs a model on a CUDA device.

Its parameters stay there. A call's tensors are copied from where they lie, which is memory that the device can read
itself (`pin`), and answers come back into such memory. Each run has a *lane*: a stream, memory on the device, and
CUDA graphs, which are one launch for the whole model. A CUDA graph has a fixed number of rows, so there is one for each
of `_SIZES`, and a call takes the next larger one. The rows that it does not fill hold what an earlier call left there.
That can change no answer where the model's graph is by row, which is why others have no CUDA graphs; and it is tried.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Sequence
from typing import Any

import torch

from featdsl.torch.across_calls import CALL_OF_ROW
from featdsl.torch.form import Call, Form

_SIZES = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
_MOST_CALLS = 32
"""Run as one; of more, so many at a time."""
_SMALL_BYTES = 1 << 16
"""Tensors of several calls that are smaller are brought together before they are copied: a copy costs as much."""


class DeviceLost(Exception):
    """Nothing runs there any more, whatever it is; another process may be able to use it."""


class OnCuda:
    """A `Way` to run calls. `facts` say how."""

    def __init__(
        self,
        form: Form,
        device: torch.device,
        *,
        at_once: int,
        graphs: bool,
        tf32: bool,
    ) -> None:
        """`form`: on the device already. Errors: what torch raises where the model does not fit there."""
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        self._form = form
        self._device = device
        size = sum(t.nbytes for t in form.parameters().values()) / (1 << 20)
        self.facts = {
            "device": f"{device}, {torch.cuda.get_device_name(device)}, {size:.0f} MB of parameters"
        }
        lanes = [_Lane(form, device) for _ in range(at_once)]
        if graphs:
            self.facts["cuda graphs"] = self._capture(lanes)
        self._lanes: queue.LifoQueue[_Lane] = queue.LifoQueue()
        for lane in lanes:
            self._lanes.put(lane)

    def __call__(self, calls: Sequence[Call], rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Errors: `IndexError` for an id outside of a table, `DeviceLost`, and what torch raises."""
        if len(calls) > _MOST_CALLS:
            parts = [
                self(calls[at : at + _MOST_CALLS], rows[at : at + _MOST_CALLS])
                for at in range(0, len(calls), _MOST_CALLS)
            ]
            return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        lane = self._lanes.get()
        try:
            made = lane.run(calls, rows)
        except Exception as fault:
            self._still_there(fault)
            raise
        finally:
            self._lanes.put(lane)
        if len(made) > self._form.outputs and bool(made[-1].any()):
            raise IndexError("index out of range in a table")
        return self._form.named(made)

    def _still_there(self, fault: Exception) -> None:
        """Waits for what was begun. Errors: `DeviceLost`."""
        try:
            torch.cuda.synchronize(self._device)
            if isinstance(fault, torch.OutOfMemoryError):
                torch.cuda.empty_cache()
        except Exception as lost:
            raise DeviceLost(f"{type(fault).__name__}: {fault}") from lost

    def _capture(self, lanes: Sequence[_Lane]) -> str:
        if self._form.across is None:
            return "off: the graph is not by row"
        try:
            for lane in lanes:
                lane.capture()
            if not lanes[0].answers_alone():
                raise ValueError("the rows of an earlier call change an answer")
        except Exception as fault:  # an operator that a CUDA graph cannot hold
            for lane in lanes:
                lane.forget()
            self._still_there(fault)
            return f"off: {type(fault).__name__}: {' '.join(str(fault).split())[:200]}"
        return f"of {_SIZES[0]} to {_SIZES[-1]} rows, {len(_SIZES)} sizes"


class _Lane:
    """What one run at a time uses."""

    def __init__(self, form: Form, device: torch.device) -> None:
        self._form = form
        self._device = device
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._given: dict[str, torch.Tensor] = {}
        self._staged: dict[str, torch.Tensor] = {}
        for name in form.inputs:
            dtype, _ = form.input(name)
            sizes = form.sizes(name, _SIZES[-1], _MOST_CALLS)
            self._given[name] = torch.zeros(sizes, dtype=dtype, device=device)
            row_bytes = max(self._given[name][0].nbytes, 1)
            sizes[0] = min(sizes[0], max(1, _MOST_CALLS * _SMALL_BYTES // row_bytes))
            self._staged[name] = torch.empty(sizes, dtype=dtype, pin_memory=True)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, list[torch.Tensor]]] = {}
        self._pool: Any = None
        torch.cuda.synchronize(device)

    def run(self, calls: Sequence[Call], rows: Sequence[int]) -> list[torch.Tensor]:
        """What the graph gives, in memory of the processor."""
        total = sum(rows)
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream), torch.inference_mode():
            given = self._given if total <= _SIZES[-1] else self._room(total)
            for name in self._form.inputs:
                if name == CALL_OF_ROW:
                    self._number(given[name], rows)
                else:
                    self._copy(name, given[name], [call[name] for call in calls])
            size = next((size for size in self._graphs if size >= total), None)
            if size is None:
                made = self._form.run([self._part(given, name, total, len(calls)) for name in given])
            else:
                graph, made = self._graphs[size]
                graph.replay()
            answers = [torch.empty(total, dtype=one.dtype, pin_memory=True) for one in made]
            for answer, one in zip(answers, made, strict=True):
                answer.copy_(one[:total], non_blocking=True)
            self._stream.synchronize()
            return answers

    def capture(self) -> None:
        """Captures a CUDA graph for each size; they share the memory between input and output."""
        self._pool = torch.cuda.graph_pool_handle()
        found = {}
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream), torch.inference_mode():
            for size in reversed(_SIZES):
                given = [self._part(self._given, name, size, _MOST_CALLS) for name in self._given]
                self._form.run(given)  # what torch does once, it does here
                self._stream.synchronize()
                graph = torch.cuda.CUDAGraph()
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    made = self._form.run(given)
                except BaseException:
                    with contextlib.suppress(RuntimeError):
                        graph.capture_end()
                    raise
                graph.capture_end()
                found[size] = (graph, made)
            self._stream.synchronize()
        self._graphs = dict(reversed(found.items()))

    def forget(self) -> None:
        self._graphs = {}

    def answers_alone(self) -> bool:
        """Whether rows that a call does not fill leave its answers alone, whatever they hold."""
        rows = _SIZES[0] - 5
        chance = torch.Generator().manual_seed(1)
        call = {}
        for name in self._form.model.inputs:
            dtype, _ = self._form.input(name)
            sizes = self._form.sizes(name, rows, 1)
            call[name] = torch.zeros(sizes, dtype=dtype)
            if dtype.is_floating_point:
                call[name] = torch.randn(sizes, generator=chance, dtype=dtype)
        found = []
        for left in (0.0, float("nan"), 1e30):
            for tensor in self._given.values():
                if tensor.dtype.is_floating_point:
                    tensor.fill_(left)
            torch.cuda.synchronize(self._device)
            found.append(self.run([call], [rows]))
        for tensor in self._given.values():
            tensor.zero_()
        torch.cuda.synchronize(self._device)
        return all(
            torch.equal(one.nan_to_num(), other.nan_to_num())
            for made in found[1:]
            for one, other in zip(found[0], made, strict=True)
        )

    def _part(self, given: dict[str, torch.Tensor], name: str, rows: int, calls: int) -> torch.Tensor:
        return given[name][: rows if self._form.by_candidate(name) else calls]

    def _room(self, rows: int) -> dict[str, torch.Tensor]:
        """Memory for more rows than there is room for."""
        return {
            name: torch.empty([rows, *tensor.shape[1:]], dtype=tensor.dtype, device=self._device)
            if self._form.by_candidate(name)
            else tensor
            for name, tensor in self._given.items()
        }

    def _copy(self, name: str, target: torch.Tensor, parts: Sequence[torch.Tensor]) -> None:
        """Brings the tensors of the calls to the device, beside each other."""
        total = sum(len(part) for part in parts)
        staged = self._staged[name]
        if len(parts) > 1 and total <= len(staged) and all(p.nbytes < _SMALL_BYTES for p in parts):
            torch.cat(list(parts), out=staged[:total])
            parts = [staged[:total]]
        at = 0
        for part in parts:
            if len(part) > 1 and part.stride(0) == 0:  # one row that is seen n times
                part = part[:1].to(self._device, non_blocking=True).expand(part.shape)
            target[at : at + len(part)].copy_(part, non_blocking=True)
            at += len(part)

    def _number(self, target: torch.Tensor, rows: Sequence[int]) -> None:
        """Writes the call of each row."""
        total = sum(rows)
        if len(rows) == 1:
            target[:total].zero_()
            return
        numbers = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(rows))
        staged = self._staged[CALL_OF_ROW]
        if total <= len(staged):
            staged[:total].copy_(numbers)
            numbers = staged[:total]
        target[:total].copy_(numbers, non_blocking=True)


def pin(address: int, size: int) -> Callable[[], None]:
    """Lets devices read and write memory of this process themselves. Returns what undoes that; memory that cannot be
    pinned is left as it is, and copied by the driver."""
    runtime: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]
    if int(runtime.cudaHostRegister(address, size, 0)):
        _forget_error()
        return lambda: None

    def unpin() -> None:
        if int(runtime.cudaHostUnregister(address)):
            _forget_error()

    return unpin


def _forget_error() -> None:
    """torch would take the runtime's last error for one of the next operator."""
    try:
        torch.zeros(1, device="cuda").add_(1)
    except RuntimeError:
        return
