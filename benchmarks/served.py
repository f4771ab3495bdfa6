"""Services in processes of their own, asked over gRPC without a pause, in turns; what each of them costs is the
processor time of all its processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc

from benchmarks.measure import ROOT, processor_seconds
from online.proto import MAX_MESSAGE_BYTES, SERVICE

_TIMEOUT_S = 20.0
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True, slots=True)
class Service:
    """One that runs: where it listens, and the processes (each with all that it started) that it consists of."""

    address: str
    processes: tuple[int, ...]

    def processor_seconds(self) -> float:
        return sum(map(processor_seconds, self.processes))


@dataclass(slots=True)
class Asked:
    """What came of asking a service. Milliseconds by the clock, and of the processor a call."""

    latencies: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Of `per_core`: how many calls a second one core answers."""
        spent = statistics.median(self.processor)
        return asdict(
            Figures(
                statistics.median(self.latencies),
                statistics.quantiles(self.latencies, n=100)[98],
                spent,
                1e3 / spent,
                len(self.latencies),
            )
        )


@dataclass(frozen=True, slots=True)
class Figures:
    p50: float
    p99: float
    processor: float
    per_core: float
    calls: int


def ask_in_turns(
    services: Mapping[str, Service], calls: Sequence[bytes], *, clients: int, seconds: float, rounds: int
) -> dict[str, dict[str, float]]:
    """`seconds`: of each service's turn; in each round each has one."""
    asked = {name: Asked() for name in services}
    for _ in range(rounds):
        for name, service in services.items():
            before = service.processor_seconds()
            latencies = _ask(service.address, calls, clients, seconds)
            asked[name].processor.append((service.processor_seconds() - before) / len(latencies) * 1e3)
            asked[name].latencies += latencies
    return {name: one.figures() for name, one in asked.items()}


def ask_each(service: Service, calls: Sequence[bytes]) -> list[bytes]:
    """The answer to each."""
    with grpc.insecure_channel(service.address, options=_OPTIONS) as channel:
        method = channel.unary_unary(f"/{SERVICE}/Score")
        return [method(call, timeout=_TIMEOUT_S) for call in calls]


def _ask(address: str, calls: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    """Milliseconds of each call; each client asks its next when it has its answer."""
    latencies: list[float] = []
    failed: list[BaseException] = []

    def client(first: int) -> None:
        number = first
        try:
            with grpc.insecure_channel(address, options=_OPTIONS) as channel:
                method = channel.unary_unary(f"/{SERVICE}/Score")
                end = time.perf_counter() + seconds
                while (start := time.perf_counter()) < end:
                    method(calls[number % len(calls)], timeout=_TIMEOUT_S)
                    latencies.append((time.perf_counter() - start) * 1e3)
                    number += 1
        except grpc.RpcError as fault:
            failed.append(fault)

    threads = [threading.Thread(target=client, args=(k * len(calls) // clients,)) for k in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"a call failed: {failed[0]}")
    return latencies


@contextmanager
def all_of(services: Mapping[str, AbstractContextManager[Service]]) -> Iterator[dict[str, Service]]:
    """Starts all at once, and ends all."""
    with ExitStack() as stack, ThreadPoolExecutor(len(services)) as pool:
        entering = {name: pool.submit(service.__enter__) for name, service in services.items()}
        wait(entering.values())
        for name, service in services.items():
            if entering[name].exception() is None:
                stack.push(service.__exit__)
        yield {name: entered.result() for name, entered in entering.items()}


@contextmanager
def feat_serve(bundle: Path, store: str, registry: Path, *options: str) -> Iterator[Service]:
    """`feat serve`, as people run it."""
    with tempfile.TemporaryDirectory() as folder:
        port = Path(folder, "port")
        command = [
            *(sys.executable, "-m", "featdsl.cli", "serve", "--bundle", str(bundle), "--store", store),
            *("--registry", f"dir://{registry}", "--port-file", str(port), *options),
        ]
        with started(command) as (process, _):
            yield Service(f"127.0.0.1:{port.read_text().strip()}", (process.pid,))


@contextmanager
def started(command: Sequence[str], *, says: bool = True) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the first line that it prints, which says that it is ready, if it `says` that; ended by its
    process id."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline() if says else ""
            if says and not line:
                log.seek(0)
                raise SystemExit(f"it ended with {process.wait()}: {' '.join(command)}\n{log.read()}")
            yield process, line
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
