"""Real model servers, on free ports: Triton, and TensorFlow behind the real stubs of TensorFlow Serving."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from online.model_server.triton import load_model, unload_model
from tests.online.environments import ROOT, python_of
from tests.services import free_port

HERE = Path(__file__).parent
NAME = "shop"
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

    def start(self) -> None:
        """Starts it and waits until it answers."""
        log = self.folder / "log"
        with open(log, "ab") as output:
            self.process = subprocess.Popen(list(map(str, self.command())), stdout=output, stderr=output)
        with grpc.insecure_channel(self.address) as channel:
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
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Ends it as one does that is no test of a crash."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class TensorFlowServer(RemoteServer):
    scheme = "tfs"

    def __init__(self, folder: Path, stock: Path, *options: str) -> None:
        super().__init__(folder, *options)
        self.stock = stock

    def command(self) -> list[str | Path]:
        server = ROOT / "examples" / "tfserving" / "tf_server.py"
        model = f"{NAME}={self.models / NAME}"
        return [python_of("tensorflow"), server, "--model", model, "--port", str(self.port), *self.options]

    def put(self, version: int, weight: object) -> None:
        aside = self.models / NAME / f".{version}"
        shutil.copytree(self.stock / f"{weight}", aside)
        aside.rename(self.models / NAME / f"{version}")

    def drop(self, version: int) -> None:
        shutil.rmtree(self.models / NAME / f"{version}")


class TritonServer(RemoteServer):
    scheme = "triton"

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, *options)
        self.configure((HERE / "triton_shop" / "config.pbtxt").read_text())

    def command(self) -> list[str | Path]:
        server = ROOT / "examples" / "triton" / "triton_server.py"
        place = ["--repository", self.models, "--port", str(self.port)]
        loaded = ["--load", NAME] if self.versions() else []
        return [python_of("triton"), server, *place, *loaded, *self.options]

    def configure(self, text: str) -> None:
        (self.models / NAME / "config.pbtxt").write_text(text)

    def versions(self) -> list[int]:
        return [int(path.name) for path in (self.models / NAME).iterdir() if path.name.isdecimal()]

    def put(self, version: int, weight: object) -> None:
        folder = self.models / NAME / f"{version}"
        folder.mkdir()
        shutil.copy(HERE / "triton_shop" / "model.py", folder)
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


def until(true: Callable[[], bool], timeout_s: float = 20.0) -> float:
    """Waits; returns the seconds that it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() < started + timeout_s, "it did not come"
        time.sleep(0.02)
    return time.monotonic() - started
