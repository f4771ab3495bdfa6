"""Processes that send calls. A call's latency counts from the time at which it was to be sent: where a server falls
behind, its calls wait, and that wait is seen (no coordinated omission)."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from online.errors import DETAILS_KEY, from_call
from online.load.calls import CallMaker, Mix
from online.proto import MAX_MESSAGE_BYTES, SERVICE
from online.proto.scorer_pb2 import ScoreAnswer

_LEAD_S = 0.3
"""From the moment at which all processes have made their calls to the first call."""

_KEPT_ANSWERS = 2_000
"""Of each process, for the times by stage."""


@dataclass(slots=True)
class Taken:
    """What came of the calls of one rate. Times in seconds; `stages`: by stage a time a call of a sample; `late`: the
    most that a call was sent after its time, because the sender itself was busy."""

    rate: float
    seconds: float
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    stages: dict[str, list[float]] = field(default_factory=dict)
    late: float = 0.0
    items: int = 0

    @property
    def calls(self) -> int:
        return len(self.latencies) + self.errors.total()

    def add(self, other: Taken) -> None:
        self.latencies += other.latencies
        self.errors += other.errors
        self.items += other.items
        self.late = max(self.late, other.late)
        for stage, times in other.stages.items():
            self.stages.setdefault(stage, []).extend(times)


class Driver:
    """`processes` that send calls of a mix to `address`, each with a connection of its own a step."""

    def __init__(self, address: str, mix: Mix, processes: int, timeout_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes = processes
        barrier = context.Barrier(processes)
        self._pool = context.Pool(processes, _begin, (address, mix, timeout_s, barrier))
        self._seed = 0

    def run(self, rate: float, seconds: float) -> Taken:
        """Sends calls at `rate` a second for so long, and waits for the last answer."""
        self._seed += 1
        share = rate / self._processes
        orders = [(share, seconds, self._seed * 1_000 + number) for number in range(self._processes)]
        whole = Taken(rate, seconds)
        for part in self._pool.map(_send, orders, chunksize=1):
            whole.add(part)
        return whole

    def close(self) -> None:
        self._pool.terminate()
        self._pool.join()


@contextlib.contextmanager
def driver(address: str, mix: Mix, processes: int, timeout_s: float) -> Iterator[Driver]:
    made = Driver(address, mix, processes, timeout_s)
    try:
        yield made
    finally:
        made.close()


_OF_THIS_PROCESS: dict[str, Any] = {}


def _begin(address: str, mix: Mix, timeout_s: float, barrier: Any) -> None:
    _OF_THIS_PROCESS.update(address=address, mix=mix, timeout_s=timeout_s, barrier=barrier)


def _send(order: tuple[float, float, int]) -> Taken:
    rate, seconds, seed = order
    own = _OF_THIS_PROCESS
    maker = CallMaker(own["mix"], seed)
    times = maker.intended(rate, seconds)
    requests = [maker.call() for _ in times]
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(own["address"], options=options) as channel:
        with contextlib.suppress(grpc.FutureTimeoutError):
            grpc.channel_ready_future(channel).result(own["timeout_s"])
        own["barrier"].wait()
        sending = _Sending(
            channel.unary_unary(f"/{SERVICE}/Score"), own["address"], own["timeout_s"], len(times)
        )
        start = time.perf_counter() + _LEAD_S
        for after, request in zip(times.tolist(), requests, strict=True):
            sending.send(request, start + after)
        sending.done.wait(own["timeout_s"] + 5.0)
        return sending.taken(rate, seconds)


class _Sending:
    """The calls of one process that are on their way, and what came of those that are not."""

    def __init__(self, method: Any, address: str, timeout_s: float, calls: int) -> None:
        self._method = method
        self._address = address
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._open = calls
        self._every = max(1, calls // _KEPT_ANSWERS)
        self._result = Taken(0.0, 0.0)
        self._answers: list[bytes] = []
        self.done = threading.Event()
        if not calls:
            self.done.set()

    def send(self, request: bytes, intended: float) -> None:
        """Sends a call at its time. Its deadline counts from then, too."""
        wait = intended - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        late = time.perf_counter() - intended
        self._result.late = max(self._result.late, late)
        call = self._method.future(request, timeout=max(0.001, self._timeout_s - late))
        call.add_done_callback(lambda ended: self._ended(ended, intended))

    def _ended(self, call: Any, intended: float) -> None:
        now = time.perf_counter()
        failed = call.exception()
        with self._lock:
            if failed is None:
                self._result.latencies.append(now - intended)
                if len(self._result.latencies) % self._every == 0:
                    self._answers.append(call.result())
            else:
                reason = from_call(failed, self._address).reason.name
                unnamed = reason == "INTERNAL" and not any(
                    key == DETAILS_KEY for key, _ in failed.trailing_metadata() or ()
                )
                self._result.errors[f"gRPC {failed.code().name}" if unnamed else reason] += 1
            self._open -= 1
            if self._open == 0:
                self.done.set()

    def taken(self, rate: float, seconds: float) -> Taken:
        with self._lock:
            result = self._result
            result.rate, result.seconds = rate, seconds
            if self._open:
                result.errors["NO_ANSWER"] += self._open
            for data in self._answers:
                spent: dict[str, float] = {}
                for timing in ScoreAnswer.FromString(data).timings:
                    spent[timing.stage] = spent.get(timing.stage, 0.0) + timing.milliseconds / 1e3
                for stage, seconds_of in spent.items():
                    result.stages.setdefault(stage, []).append(seconds_of)
            return result
