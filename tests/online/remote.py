"""Real model servers, on free ports: Triton, and TensorFlow behind the real stubs of TensorFlow Serving."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from online.client import ScorerClient
from online.errors import CallError
from online.model_server.address import parse_address
from online.model_server.hosts import Host
from online.model_server.opening import open_model_server
from online.model_server.tfserving import TensorFlowServing
from online.model_server.triton import Triton, load_model, unload_model
from online.models import ModelServer, ModelServerDown
from tests.online.environments import ROOT, python_of
from tests.online.shop import AT, REQUEST, bundle
from tests.services import free_port
from tests.standstill import stand_still

HERE = Path(__file__).parent
SIGNATURE = bundle().model("ranker")
SHOP = HERE / "triton_shop"
NAME = "shop"
OTHERS = ("wrong", "batched")
"""Models beside it: `wrong` takes other inputs than the program makes; `batched`, of Triton, has a short queue."""
START_S = 90.0


class RemoteServer:
    """A server of the shop's model. `put` gives it a version (of a weight), `drop` takes one away; `kill` is
    `kill -9`, `start` starts it again on the same port."""

    scheme: str

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.models = folder / "models"
        (self.models / NAME).mkdir(parents=True)
        self.port = free_port()
        self.options = options
        self.credentials: Any = None
        """Of a server that speaks TLS alone."""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}/{NAME}"

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def put(self, version: int, weight: object) -> None:
        raise NotImplementedError

    def drop(self, version: int) -> None:
        raise NotImplementedError

    def hang(self) -> None:
        """From now on it takes connections and answers nothing."""
        assert self.process is not None
        stand_still(self.process.pid)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def channel(self) -> Any:
        if self.credentials is not None:
            return grpc.secure_channel(self.address, self.credentials)
        return grpc.insecure_channel(self.address)

    def ready(self) -> frozenset[int]:
        """The versions that it answers for."""
        address = parse_address(self.url)
        assert address is not None
        wire = TensorFlowServing(address) if self.scheme == "tfs" else Triton(address)
        with contextlib.closing(Host(self.address)) as host:
            return wire.look(host).ready

    def start(self) -> None:
        """Starts it and waits until it answers."""
        log = self.folder / "log"
        with open(log, "ab") as output:
            command = list(map(str, self.command()))
            self.process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        with self.channel() as channel:
            ready = grpc.channel_ready_future(channel)
            give_up = time.monotonic() + START_S
            while True:
                try:
                    ready.result(timeout=0.2)
                    return
                except grpc.FutureTimeoutError:
                    assert self.process.poll() is None, log.read_text()[-3000:]
                    assert time.monotonic() < give_up, log.read_text()[-3000:]

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # Triton's backend is a process of its own
            self.process.wait()
            self.process = None
            self.forget()

    def forget(self) -> None:
        """Removes what a killed one leaves behind."""

    def stop(self) -> None:
        """Ends it as one does that is no test of a crash."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            self.forget()


class TensorFlowServer(RemoteServer):
    scheme = "tfs"

    def __init__(self, folder: Path, stock: Path, *options: str) -> None:
        super().__init__(folder, *options)
        self.stock = stock
        shutil.copytree(stock / "wrong", self.models / "wrong" / "1")

    def command(self) -> list[str | Path]:
        server = ROOT / "examples" / "tfserving" / "tf_server.py"
        models = [o for n in (NAME, "wrong") for o in ("--model", f"{n}={self.models / n}")]
        return [python_of("tensorflow"), server, *models, "--port", str(self.port), *self.options]

    def put(self, version: int, weight: object) -> None:
        aside = self.models / NAME / f".{version}"
        shutil.copytree(self.stock / f"{weight}", aside)
        aside.rename(self.models / NAME / f"{version}")

    def drop(self, version: int) -> None:
        shutil.rmtree(self.models / NAME / f"{version}")

    def label(self, name: str, version: int | None) -> None:
        """Gives the model a label, or takes all from it."""
        file = self.models / NAME / "labels.json"
        if version is None:
            file.unlink()
            return
        aside = file.with_suffix(".new")
        aside.write_text(json.dumps({name: version}))
        aside.rename(file)


class TritonServer(RemoteServer):
    scheme = "triton"

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, *options)
        shutil.copy(SHOP / "config.pbtxt", self.models / NAME)
        for name in OTHERS:
            folder = self.models / name / "1"
            folder.mkdir(parents=True)
            shutil.copy(SHOP / f"{name}.pbtxt", folder.parent / "config.pbtxt")
            shutil.copy(SHOP / "model.py", folder)
            (folder / "weight.txt").write_text("2.0")

    def command(self) -> list[str | Path]:
        server = ROOT / "examples" / "triton" / "triton_server.py"
        place = ["--repository", self.models, "--port", str(self.port)]
        names = [*OTHERS, NAME] if self.versions() else OTHERS
        loaded = [option for name in names for option in ("--load", name)]
        return [python_of("triton"), server, *place, *loaded, *self.options]

    def forget(self) -> None:
        for region in Path("/dev/shm").glob(f"featdsl-triton-{self.port}-*"):
            region.unlink(missing_ok=True)

    def versions(self) -> list[int]:
        return [int(path.name) for path in (self.models / NAME).iterdir() if path.name.isdecimal()]

    def put(self, version: int, weight: object) -> None:
        folder = self.models / NAME / f"{version}"
        folder.mkdir()
        shutil.copy(SHOP / "model.py", folder)
        (folder / "weight.txt").write_text(f"{weight}")
        self.reload()

    def drop(self, version: int) -> None:
        shutil.rmtree(self.models / NAME / f"{version}")
        self.reload()

    def reload(self) -> None:
        """Has a running one look at its versions again."""
        if self.process is not None:
            (load_model if self.versions() else unload_model)(self.address, NAME)


@contextmanager
def running(server: RemoteServer) -> Iterator[RemoteServer]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


def until(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Waits until it is so."""
    give_up = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < give_up, "it did not come"
        time.sleep(0.02)


def opened(url: str, version: int = 1) -> ModelServer:
    """A client that has a version of the server at `url`."""
    server = open_model_server(url, SIGNATURE)
    try:
        until(lambda: loads(server, version))
    except BaseException:
        server.close()
        raise
    return server


def loads(server: ModelServer, version: int) -> bool:
    try:
        server.load(version, Path("/"))
    except ModelServerDown:
        return False
    return True


def tensors(rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(rows)
    return {
        "dense": rng.normal(size=(rows, 5)).astype(np.float32),
        "tags": np.zeros((rows, 3), np.int64),
        "shopper_once": np.zeros((1, 2), np.float32),
    }


class Calls:
    """Clients that score all the time: `versions` that answered, calls that `failed`, how many are `done`."""

    def __init__(self, client: ScorerClient, threads: int = 2) -> None:
        self.versions: set[int] = set()
        self.failed: list[CallError] = []
        self.done = 0
        self._client = client
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self._client.score({"shopper": 1, "item": ["a", "b"]}, {**REQUEST, "at": AT})
                self.versions.add(answer.version)
                assert answer.scores[0] > 0
            except CallError as error:
                self.failed.append(error)
                time.sleep(0.01)
            self.done += 1

    def __enter__(self) -> Calls:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
