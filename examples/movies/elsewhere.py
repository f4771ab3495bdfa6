"""The movie ranker on a model server that is not ours, beside the embedded one: what both examples share.

It takes what `make demo` left (program, store, registry with two versions). `feat export` and the scoring server
follow a label. It is on version 1 at first; while clients score without pause it is put on version 2, which is
exported, loaded there, and then the calls move to it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from demo import ROOT, wait_until_serving
from live import Traffic, sample_calls

from featdsl.errors import FeatError, InputError, ServiceError
from online.client import ScorerClient

LABEL = "elsewhere"
SAME = 1e-5
"""Scores of two libraries for the same model may differ by so much."""
COMPARED = 40
FEAT = [sys.executable, "-m", "featdsl.cli"]


class Elsewhere:
    """`kind`: what people call the other server; `server(port)` runs it on the folder `models`; `options`: more of
    `feat export`."""

    def __init__(
        self,
        demo: Path,
        data: Path,
        models: Path,
        kind: str,
        scheme: str,
        server: Callable[[int], AbstractContextManager[None]],
        *options: str,
    ) -> None:
        self.demo = demo
        self.data = data
        self.models = models
        self.kind = kind
        self.scheme = scheme
        self.server = server
        self.options = options
        self.registry = f"dir://{demo / 'registry'}"

    def run(self) -> bool:
        """Whether no call failed, version 2 took over, and the scores are those of the embedded model server."""
        calls = sample_calls(self.data, seed=3)
        port = free_port()
        url = f"{self.scheme}://127.0.0.1:{port}/ranker"
        say(f"Put the label `{LABEL}` on version 1 and start {self.kind} on port {port}")
        self.promote(1)
        with self.server(port), self.exporting(url):
            say(f"Start the scoring server with --model-server {url}")
            with self.scoring("elsewhere", "--follow", LABEL, "--model-server", url) as there:
                say("Clients score without pause; the label goes to version 2, and the calls move to it")
                with Traffic(there, calls) as traffic:
                    traffic.settle(before_version=2)
                    self.promote(2)
                    traffic.settle(before_version=3)
                say("The same calls with the embedded model server")
                with self.scoring("embedded") as here:
                    difference = self.compare(here, there)
        versions = sorted(set(traffic.versions))
        failed = sum(traffic.failures.values())
        print(f"   {len(traffic.versions):,} calls, by versions {versions}; failed calls: {failed}")
        print(f"   the largest difference of a score: {difference:.1e}")
        for what, count in traffic.failures.most_common(3):
            print(f"   failure ({count}): {what}")
        return not failed and versions == [1, 2] and difference <= SAME

    def promote(self, version: int) -> None:
        feat("promote", f"{version}", "--to", LABEL, "--registry", self.registry)

    def exporting(self, url: str) -> AbstractContextManager[None]:
        """A running `feat export`, from the time that the other server has version 1."""
        say(f"Start feat export --follow {LABEL} --to {url}")
        place = ["--registry", self.registry, "--follow", LABEL, "--to", url, "--models", str(self.models)]
        command = [*FEAT, "export", *place, *self.options]
        log = self.demo / "export.log"
        return process(command, log, lambda: "version 1 is ready" in log.read_text())

    def compare(self, here: str, there: str) -> float:
        with ScorerClient(here) as ours, ScorerClient(there) as theirs:
            worst = 0.0
            for call in sample_calls(self.data, seed=5, count=COMPARED):
                asked = (
                    {"user": call.user, "item": call.items},
                    {"device": call.device, "at": 1_380_000_000_000_000},
                )
                a, b = ours.score(*asked), theirs.score(*asked)
                if a.version != b.version or sorted(a.positions) != sorted(b.positions):
                    raise InputError(f"two answers to one call: versions {a.version} and {b.version}")
                scores = dict(zip(b.positions, b.scores, strict=True))
                worst = max(
                    [worst, *(abs(s - scores[p]) for p, s in zip(a.positions, a.scores, strict=True))]
                )
        return worst

    @contextmanager
    def scoring(self, name: str, *options: str) -> Iterator[str]:
        """A running `feat serve`; its address."""
        port_file, log = self.demo / f"port-{name}", self.demo / f"server-{name}.log"
        port_file.unlink(missing_ok=True)
        arguments = [
            "serve", "--bundle", str(self.demo / "movies.featb"), "--store", f"lmdb://{self.demo / 'store'}",
            "--registry", self.registry, "--port-file", str(port_file), *options,
        ]  # fmt: skip
        with open(log, "wb") as output:
            process = subprocess.Popen([*FEAT, *arguments], cwd=ROOT, stdout=output, stderr=output)
        try:
            yield wait_until_serving(process, port_file, log)
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def process(command: list[str], log: Path, answers: Callable[[], bool]) -> Iterator[None]:
    """A server as a process of its own, from its first answer on. Its end is asked for by its process id."""
    with open(log, "wb") as output:
        started = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        give_up = time.monotonic() + 120
        while not answers():
            if started.poll() is not None or time.monotonic() > give_up:
                raise ServiceError(f"it does not start: {command[0]}", help=f"its log: {log}")
            time.sleep(0.1)
        yield
    finally:
        started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def feat(*arguments: str) -> None:
    """Runs a command. Errors: `ServiceError` where it fails."""
    if subprocess.run([*FEAT, *arguments], cwd=ROOT).returncode:
        raise ServiceError(f"`feat {arguments[0]}` fails")


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=0.2)
        except grpc.FutureTimeoutError:
            return False
    return True


def say(title: str) -> None:
    print(f"\033[1m{title}\033[0m", flush=True)


def python_of(environment: str) -> str:
    """The Python of an environment that `make model-servers` makes."""
    python = ROOT / environment / "bin" / "python"
    if not python.exists():
        raise ServiceError(f"the environment is missing: {environment}", help="`make model-servers` makes it")
    return str(python)


def main(title: str, make: Callable[[Path, Path, Path], Elsewhere]) -> int:
    """`make` takes the demo's folder, its data, and an empty folder for the other server's models."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--demo", type=Path, default=ROOT / "demo", help="what `make demo` left")
    parser.add_argument("--data", type=Path, help="the data that it was made of")
    args = parser.parse_args()
    try:
        demo = args.demo.resolve()
        if not (demo / "registry").is_dir() or not (demo / "store").is_dir():
            raise InputError(f"there is no demo in {demo}", help="`make demo` makes one")
        from demo import find_data

        models = demo / "models-elsewhere"
        shutil.rmtree(models, ignore_errors=True)
        models.mkdir()
        return 0 if make(demo, find_data(args.data, demo), models).run() else 1
    except FeatError as error:
        print(f"error: {error.message}\nhelp: {error.help}", file=sys.stderr)
        return error.exit_code
