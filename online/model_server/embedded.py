"""The server's side of the embedded model server: starts workers, keeps connections, revives what died."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy.typing as npt

from featdsl.steps import asked_for, step
from model_sync.scratch import ScratchFolder
from online.model_server import wire
from online.model_server.compiling import COMPILE_TIMEOUT_S
from online.model_server.options import ModelOptions
from online.model_server.own_files import OwnFiles, graph_of
from online.model_server.region import TooLarge
from online.model_server.worker_handle import Worker, WorkerProcess
from online.models import (
    CallerGone,
    ItemParts,
    ModelFailed,
    ModelRefused,
    ModelServerDown,
    ModelTimeout,
    Tensors,
)
from online.observe.hop import current_hop
from online.observe.record import Stage, is_cancelled, waiting

log = logging.getLogger("featdsl.models")

LOAD_TIMEOUT_S = 120.0
"""Of a version whose graph is not compiled."""
LOADED_BYTES_A_S = 20e6
"""Of tables; what takes longer is given up."""
KEPT_BYTES = 1 << 26
"""A connection whose memory has grown beyond this is closed after the call, so that one large call does not keep it."""
_WARM_START_S = 0.5
_DYING_S = 1.0
_FORGETTING_S = 5.0
_ATTEMPTS = 3
"""How often a call is asked whose process dies; the call itself may be what kills it."""


class EmbeddedModelServer:
    """A `PartingModelServer`: one worker process a version, or one for all versions of a graph that read tables beside
    it, where another version is what differs.

    It keeps its own copy of a version's files while that is loaded, so that a process which dies starts again
    whatever has become of the registry's.
    """

    load_starts_threads = False

    def __init__(self, options: ModelOptions | None = None) -> None:
        self._options = options or ModelOptions()
        self._folder = ScratchFolder("models")
        self._files = OwnFiles(self._folder.path)
        self._workers: dict[int, Worker] = {}
        self._lock = threading.Lock()
        self._spawning = threading.Lock()
        """Held while a version that died is started again. A new version may take minutes, and holds only the next."""
        self._sharing = threading.Lock()
        """Held while a version comes or goes that shares a process."""
        self._ordering = threading.Lock()
        """Held while the nursery is spoken to."""
        self._alive = os.pipe()
        """Nobody writes to it: it closes when this process ends, however that happens."""
        self._nursery: subprocess.Popen[str] | None = None
        self._starting = ThreadPoolExecutor(1, "nursery")
        """What starts the nursery, whose priority all models get: that of this thread, not of one that loads."""
        self._starting.submit(threading.get_ident).result()
        self._reviving: threading.Thread | None = None
        self._closed = False
        self._sockets = 0

    # --- ModelServer ---------------------------------------------------------------------------

    def load(self, version: int, directory: Path) -> None:
        with self._lock:
            if version in self._workers:
                return
        own = self._copied(version, directory)
        step()
        try:
            graph = graph_of(own)
            step()
            if graph:
                with self._sharing:
                    worker = self._spawn_or_share(version, own, graph)
                    with self._lock:
                        self._workers[version] = worker
                return
            worker = self._spawned(version, own, "")
        except BaseException as fault:
            self._files.remove(own)
            if isinstance(fault, OSError):
                raise ModelRefused("its process died while the model was loaded") from fault
            raise
        with self._lock:
            self._workers[version] = worker

    def unload(self, version: int) -> None:
        with self._sharing:
            with self._lock:
                worker = self._workers.pop(version, None)
                shared = worker is not None and any(
                    one.process is worker.process for one in self._workers.values()
                )
            if worker is None:
                return
            if shared:
                self._forget(worker)
            else:
                worker.end()
        self._files.remove(worker.directory)

    def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, npt.NDArray[Any]]:
        return self._asked_to({"op": "predict"}, version, tensors, deadline_s)

    def item_parts(self, version: int) -> ItemParts | None:
        return self._worker(version).parts

    def make_parts(
        self, version: int, of: ItemParts, tensors: Tensors, deadline_s: float
    ) -> dict[str, npt.NDArray[Any]]:
        return self._asked_to({"op": "make parts", "of": of.identity}, version, tensors, deadline_s)

    def predict_with_parts(
        self, version: int, of: ItemParts, tensors: Tensors, deadline_s: float
    ) -> dict[str, npt.NDArray[Any]]:
        return self._asked_to({"op": "predict with parts", "of": of.identity}, version, tensors, deadline_s)

    def _asked_to(
        self, request: dict[str, Any], version: int, tensors: Tensors, deadline_s: float
    ) -> dict[str, npt.NDArray[Any]]:
        give_up = time.monotonic() + deadline_s
        worker = self._worker(version)
        try:
            answer, outputs, ran = self._ask_until_one_lives(version, worker, request, tensors, give_up)
        except TooLarge as fault:
            raise ModelFailed(str(fault)) from fault
        except TimeoutError as fault:
            raise ModelTimeout(f"version {version} did not answer in {deadline_s:.3f} s") from fault
        except OSError as fault:
            raise ModelServerDown(f"the process of version {version} is gone: {fault}") from fault
        hop = current_hop.get()
        if hop is not None and ran != wire.NEVER:
            hop.inner.append(Stage("torch", *ran))
        if answer.get("gone"):
            raise ModelServerDown(f"version {version} is not loaded")
        if answer.get("late"):
            raise ModelTimeout(f"version {version} had no time for the call in {deadline_s:.3f} s")
        if not answer.get("ok"):
            raise ModelFailed(str(answer.get("reason", "")))
        return outputs

    def _ask_until_one_lives(
        self, version: int, worker: Worker, request: dict[str, Any], tensors: Tensors, give_up: float
    ) -> wire.Message:
        """A prediction changes nothing, so it is asked again when its process dies."""
        attempts = 0
        while True:
            attempts += 1
            try:
                return self._ask(worker, request, tensors, give_up)
            except TimeoutError:
                raise
            except OSError:
                if attempts == _ATTEMPTS:
                    raise
                worker = self._revive(version, worker)

    def ping(self, version: int) -> None:
        worker = self._worker(version)
        if not worker.process.lives():
            self._revive_aside(version, worker).join(_WARM_START_S)
            if not self._worker(version).process.lives():
                raise ModelServerDown(f"the process of version {version} is being started again")
        if self._ordering.acquire(blocking=False):
            try:
                self._tend_nursery(worker)
            finally:
                self._ordering.release()

    def has(self, version: int) -> bool:
        return True  # what dies is started again

    def followed(self) -> int | None:
        return None

    def facts(self, version: int) -> dict[str, str]:
        """How a version is run, and what that costs in exactness. Errors: `ModelServerDown`."""
        return dict(self._worker(version).facts)

    def counts(self, version: int, deadline_s: float = 1.0) -> dict[str, int]:
        """What a version's process has done since it started: see `dispatcher.Counts`.
        Errors: `ModelServerDown`."""
        try:
            answer, _, _ = self._ask(
                self._worker(version), {"op": "ready"}, {}, time.monotonic() + deadline_s
            )
        except OSError as fault:
            raise ModelServerDown(f"the process of version {version} does not answer: {fault}") from fault
        return dict(answer.get("counts", {}))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.end()
        self._starting.shutdown(wait=False)
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            _stop(nursery)
        for end in self._alive:
            os.close(end)
        self._folder.close()

    # --- what a keeper lends (`shared.py`) ------------------------------------------------------

    def place(self, version: int) -> dict[str, Any]:
        """Where a version's process is asked, with `version` as its handle. Errors: `ModelServerDown`."""
        worker = self._worker(version)
        return {
            "pid": worker.process.pid,
            "address": worker.address,
            "facts": dict(worker.facts),
            "parts": None if worker.parts is None else worker.parts.as_json(),
        }

    def revived(self, version: int, pid: int) -> dict[str, Any]:
        """The same, once it is another than the process `pid`, which did not answer, if that has died.
        Errors: `ModelServerDown`."""
        worker = self._worker(version)
        if worker.process.pid == pid and worker.process.ends(within_s=_DYING_S):
            self._revive(version, worker)
        return self.place(version)

    # --- workers -------------------------------------------------------------------------------

    def _worker(self, version: int) -> Worker:
        with self._lock:
            worker = self._workers.get(version)
        if worker is None:
            raise ModelServerDown(f"version {version} is not loaded")
        return worker

    def _revive(self, version: int, dead: Worker) -> Worker:
        """Another worker for a version whose process is gone, and for all others that it had; one thread starts it, the
        others wait. The same where only a connection broke. Errors: `ModelServerDown`, `OSError`."""
        with self._spawning:
            worker = self._worker(version)
            if worker is not dead or not dead.process.ends(within_s=_DYING_S):
                return worker
            with self._lock:
                lost = {one: w for one, w in self._workers.items() if w.process is dead.process}
            if version not in lost:
                raise ModelServerDown(f"version {version} is not loaded")
            fresh, refused = self._spawn({one: w.directory for one, w in lost.items()}, dead.graph)
            with self._lock:
                there = {one: worker for one, worker in fresh.items() if one in self._workers}
                self._workers.update(there)
        for one, worker in fresh.items():
            lost[one].end()
            if not there:  # all have been unloaded meanwhile
                worker.end()
            elif one not in there:
                self._forget(worker)
        if version in refused:
            raise ModelServerDown(f"version {version} does not start again: {refused[version]}")
        return fresh[version]

    def _revive_aside(self, version: int, dead: Worker) -> threading.Thread:
        """Revives in a thread: with a cold nursery it takes seconds, and health must not wait for that."""

        def revive() -> None:
            with contextlib.suppress(ModelServerDown, OSError):
                self._revive(version, dead)

        if self._reviving is None or not self._reviving.is_alive():
            self._reviving = threading.Thread(target=revive, name="revive", daemon=True)
            self._reviving.start()
        return self._reviving

    def _copied(self, version: int, directory: Path) -> Path:
        """Errors: `ModelRefused` for a file that is gone; else `ModelServerDown`: a full disk is no fault of the
        version."""
        try:
            return self._files.copy(version, directory)
        except FileNotFoundError as fault:
            raise ModelRefused(f"its files do not read: {fault}") from fault
        except OSError as fault:
            raise ModelServerDown(f"version {version} cannot be kept here: {fault}") from fault

    def _spawned(self, version: int, directory: Path, graph: str) -> Worker:
        """A version in a new process. Errors: `ModelRefused`, `ModelServerDown`, `OSError` when it dies."""
        begun, refused = self._spawn({version: directory}, graph)
        if refused:
            raise ModelRefused(refused[version])
        return begun[version]

    def _spawn_or_share(self, version: int, directory: Path, graph: str) -> Worker:
        """A version in the process that its graph has, or in a new one. Errors: as of `_spawned`."""
        for _ in range(2):
            with self._lock:
                of_graph = [one for one in self._workers.items() if one[1].graph == graph]
            if not of_graph:
                return self._spawned(version, directory, graph)
            _, mate = of_graph[-1]
            worker = Worker(mate.process, mate.address, directory, version, graph)
            try:
                self._wait_for(worker, {"op": "load", "directory": str(directory), "gives_way": asked_for()})
                return worker
            except OSError:  # it died, of this version or of something else
                with contextlib.suppress(ModelServerDown):
                    self._revive(*of_graph[-1])
        raise ModelRefused("its process died while the model was loaded")

    def _spawn(self, versions: Mapping[int, Path], graph: str) -> tuple[dict[int, Worker], dict[int, str]]:
        """Forks a worker and waits until it is warm. Returns the versions that it has, and of others why it has them
        not; it is ended when it has none. Errors: `ModelServerDown`, `OSError` when it dies."""
        if self._closed:
            raise ModelServerDown("the model server was closed")
        with self._ordering:
            self._sockets += 1
            path = f"{self._folder.path}/{next(iter(versions))}-{self._sockets}.sock"
            order = {
                "versions": [[handle, str(directory)] for handle, directory in versions.items()],
                "socket": path,
                "options": self._options.as_json(),
            }
            process = WorkerProcess(self._order(order))
        begun: dict[int, Worker] = {}
        refused: dict[int, str] = {}
        for handle, directory in versions.items():
            worker = Worker(process, path, directory, handle, graph)
            try:
                self._wait_for(worker, {"op": "ready"})
                begun[handle] = worker
            except ModelRefused as fault:
                refused[handle] = fault.reason
        if not begun:
            worker.end()
        return begun, refused

    def _wait_for(self, worker: Worker, request: dict[str, Any]) -> None:
        """Waits until a version is loaded, as the request asks, and notes what its process tells of it. Errors:
        `ModelRefused`, `OSError` when the process dies."""
        timeout_s = LOAD_TIMEOUT_S + (COMPILE_TIMEOUT_S if self._options.compile else 0.0)
        timeout_s += self._files.bytes_of_layers(worker.directory) / LOADED_BYTES_A_S
        try:
            answer, _, _ = self._ask(worker, request, {}, time.monotonic() + timeout_s)
        except TimeoutError as fault:
            self._forget(worker)
            raise ModelRefused(f"the model did not load in {timeout_s:.0f} s") from fault
        if not answer.get("ok"):
            raise ModelRefused(str(answer.get("reason", "")))
        worker.facts = {str(name): str(told) for name, told in answer["facts"].items()}
        worker.parts = ItemParts.of_json(answer["parts"]) if answer["parts"] else None
        for name, told in worker.facts.items():
            log.info("version %d: %s: %s", worker.handle, name, told)

    def _forget(self, worker: Worker) -> None:
        """Has a process that others use forget a version."""
        with contextlib.suppress(OSError):  # it has died, and forgotten all
            self._ask(worker, {"op": "unload"}, {}, time.monotonic() + _FORGETTING_S)
        worker.disconnect()

    def _order(self, order: dict[str, Any]) -> int:
        """The pid of the worker that the nursery forked; a nursery that died is started again."""
        for _ in range(2):
            nursery = self._living_nursery()
            assert nursery.stdin is not None
            assert nursery.stdout is not None
            with contextlib.suppress(OSError, ValueError):
                nursery.stdin.write(json.dumps(order) + "\n")
                nursery.stdin.flush()
                return int(json.loads(nursery.stdout.readline())["pid"])
            nursery.kill()
            _stop(nursery)
        raise ModelServerDown("the process that starts models does not answer")

    def _living_nursery(self) -> subprocess.Popen[str]:
        if self._nursery is None or self._nursery.poll() is not None:
            order = self._folder.path, self._alive[0], self._options.threads
            try:
                self._nursery = self._starting.submit(_start_nursery, *order).result()
            except RuntimeError as fault:
                raise ModelServerDown("the model server was closed") from fault
        return self._nursery

    def _tend_nursery(self, worker: Worker) -> None:
        """Replaces a nursery that died (workers outlive it) before it is needed: the next load finds it warm."""
        if self._closed or self._nursery is None or self._nursery.poll() is None:
            return
        nursery = self._living_nursery()
        assert nursery.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            nursery.stdin.write(json.dumps({"versions": [[worker.handle, str(worker.directory)]]}) + "\n")
            nursery.stdin.flush()

    # --- connections ---------------------------------------------------------------------------

    def _ask(self, worker: Worker, request: dict[str, Any], tensors: Tensors, give_up: float) -> wire.Message:
        connection = worker.connection(give_up)
        try:
            with waiting(connection.hang_up):
                answer = connection.ask({**request, "version": worker.handle}, tensors, give_up)
        except BaseException as fault:
            connection.close()
            if is_cancelled():
                raise CallerGone from fault
            raise
        if connection.size > KEPT_BYTES or is_cancelled():  # hung up, maybe, as the answer came
            connection.close()
        else:
            worker.idle.put(connection)
        return answer


def _start_nursery(folder: Path, alive: int, threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "online.model_server.nursery", str(folder), str(alive)],
        pass_fds=[alive],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            # what torch is told on one thread, libraries below it do not know on another
            "OMP_NUM_THREADS": str(threads),
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # torch may look for devices, and forks can still use them
        },
        process_group=0,  # a terminal's signals are the server's; a session of its own would have a share of its own
    )


def _stop(nursery: subprocess.Popen[str]) -> None:
    for pipe in (nursery.stdin, nursery.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        nursery.wait(5)
    except subprocess.TimeoutExpired:
        nursery.kill()
        nursery.wait()
