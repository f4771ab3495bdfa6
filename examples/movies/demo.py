"""The whole way on real data, step by step: `make demo`.

Every step is a command that anybody can type; the demo prints it before it runs it. What it makes lies in `demo/`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.parquet as pq
from live import Traffic, sample_calls
from parity import Parity, compare, write_samples

from featdsl.errors import FeatError, InputError, ServiceError
from online.client import ScorerClient

HERE = Path(__file__).parent.resolve()
ROOT = HERE.parent.parent
PROGRAM = "movies.feat"
FILES = (PROGRAM, "ratings.feat", "movies.state.json", "feat.toml", "vocab/genres.txt")
"""What the demo copies, so that what it learns does not change the example."""
TEST_FROM, SECOND_UNTIL, FIRST_UNTIL = 0.85, 0.85, 0.72
"""Shares of the interactions, in time: both versions are tested on the last ones, the second has seen more."""
PARITY_ROWS = 1000


class Demo:
    """The steps in order; each one leaves its result in the folder `out`."""

    def __init__(self, out: Path, data: Path, store: str) -> None:
        self.out = out
        self.data = data
        self.store = store
        self.bundle = out / "movies.featb"
        self.dataset = out / "dataset"
        self.registry = f"dir://{out / 'registry'}"
        self.program = out / "program" / PROGRAM
        self.settings = ["--config", str(self.program.with_name("feat.toml")), "--set", f"DATA={data}"]
        self.test_from = 0
        self.started = time.monotonic()
        self.steps = 0

    # --- showing -------------------------------------------------------------------------------

    def step(self, title: str) -> None:
        self.steps += 1
        elapsed = time.monotonic() - self.started
        print(f"\n\033[1m{self.steps}. {title}\033[0m  ({elapsed:.0f} s)", flush=True)

    def feat(self, *arguments: str, quiet: bool = False) -> None:
        """Shows and runs a `feat` command."""
        if not quiet:
            print("   $ " + shorten(shlex.join(["feat", *arguments])), flush=True)
        done = subprocess.run([sys.executable, "-m", "featdsl.cli", *arguments], cwd=ROOT)
        if done.returncode:
            raise InputError(f"`feat {arguments[0]}` ended with {done.returncode}")

    # --- the way -------------------------------------------------------------------------------

    def run(self) -> bool:
        times = sorted(pq.read_table(self.data / "interactions.parquet", columns=["ts"])["ts"].to_pylist())
        self.test_from = times[int(len(times) * TEST_FROM)]

        for name in FILES:
            target = self.program.parent / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HERE / name, target)
        samples = ["--set", f"SAMPLES={self.data / 'interactions.parquet'}"]

        self.step("Learn what the feature program leaves to the data, from what the test will not see")
        until = ["--until", str(self.test_from * 1_000_000)]
        self.feat("fit", str(self.program), *self.settings, *samples, *until)

        self.step("Check the program and build it into a bundle")
        self.feat("check", str(self.program))
        self.feat("build", str(self.program), "-o", str(self.bundle))

        self.step(f"Make training data with Spark: {len(times):,} interactions, each as of its own time")
        self.feat("dataset", *self.settings, *samples, "--out", str(self.dataset), "--overwrite")

        self.step("Train the first model, on the earlier part of the interactions")
        first = self.train("first", times[int(len(times) * FIRST_UNTIL)])

        self.step(f"Load every user's and movie's newest rows into the store ({self.store})")
        self.feat("load", *self.settings, *samples, "--store", self.store)

        self.step("Publish version 1 and start the scoring server")
        self.feat("publish", str(first), "--registry", self.registry)
        with self.server() as address:
            calls = sample_calls(self.data, seed=1)
            call = calls[0]
            self.step("Score: one user, a few movies")
            self.feat(
                "score", "--address", address, "--user", str(call.user), "--items", ",".join(call.items[:6])
            )
            self.step("Train on more interactions and publish version 2 while clients go on scoring")
            with Traffic(address, calls) as traffic:
                second = self.train("second", times[int(len(times) * SECOND_UNTIL)])
                traffic.settle(before_version=2)
                self.feat("publish", str(second), "--registry", self.registry)
                traffic.settle(before_version=3)
            print(traffic.report())
            self.feat("versions", "--registry", self.registry)
            self.step(f"Compare offline with online: {PARITY_ROWS:,} rows, every feature, bit for bit")
            parity = self.parity(address, times[-1])
            print(parity.table())
        print(
            "\nWhat next: change a feature in examples/movies/movies.feat, misspell something, and run\n"
            "  .venv/bin/feat check examples/movies/movies.feat\n"
            "or see what a feature is made of:\n"
            "  .venv/bin/feat explain examples/movies/movies.feat movie_age"
        )
        return parity.holds and not traffic.failures

    def train(self, name: str, until: int) -> Path:
        out = self.out / "models" / name
        arguments = [
            "--bundle", str(self.bundle), "--dataset", str(self.dataset), "--until", str(until),
            "--test-from", str(self.test_from), "--out", str(out),
        ]  # fmt: skip
        print("   $ " + shorten(shlex.join(["python", str(HERE / "train.py"), *arguments])), flush=True)
        subprocess.run([sys.executable, str(HERE / "train.py"), *arguments], cwd=ROOT, check=True)
        return out

    @contextmanager
    def server(self) -> Iterator[str]:
        """A running `feat serve`; ended by SIGTERM."""
        port_file, log = self.out / "port", self.out / "server.log"
        port_file.unlink(missing_ok=True)
        arguments = [
            "serve", "--bundle", str(self.bundle), "--store", self.store, "--registry", self.registry,
            "--port", "0", "--port-file", str(port_file),
        ]  # fmt: skip
        print("   $ " + shorten(shlex.join(["feat", *arguments])) + " &", flush=True)
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "featdsl.cli", *arguments], cwd=ROOT, stdout=output, stderr=output
            )
        try:
            address = wait_until_serving(process, port_file, log)
            print(f"   serving on {address}")
            yield address
        finally:
            process.terminate()
            process.wait(30)

    def parity(self, address: str, now_s: int) -> Parity:
        samples = self.out / "parity" / "samples.parquet"
        pairs = write_samples(self.data, samples, count=PARITY_ROWS, at_s=now_s)
        features = self.out / "parity" / "features"
        self.feat(
            "dataset", *self.settings, "--set", f"SAMPLES={samples}", "--what", "features", "--engine", "spark",
            "--as-served", "--out", str(features), "--overwrite",
        )  # fmt: skip
        return compare(features, address, pairs, at_us=now_s * 1_000_000)


def wait_until_serving(
    process: subprocess.Popen[bytes], port_file: Path, log: Path, within_s: float = 60
) -> str:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise ServiceError(f"the server ended with {process.returncode}", help=f"its log: {log}")
        if port_file.exists():
            address = f"127.0.0.1:{port_file.read_text().strip()}"
            with ScorerClient(address) as client:
                if all(m.serving_version for m in client.models().models):
                    return address
        time.sleep(0.05)
    raise ServiceError(f"the server did not start in {within_s:g} s", help=f"its log: {log}")


def shorten(command: str) -> str:
    return command.replace(str(ROOT) + "/", "")


@contextmanager
def redis_server(out: Path) -> Iterator[str]:
    """A Redis of the demo's own on a free port, with nothing saved to disk."""
    import socket

    if shutil.which("redis-server") is None:
        raise ServiceError("redis-server is not installed", help="apt-get install redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(out), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


def find_data(given: Path | None, out: Path) -> Path:
    """The data to use: `given`, `$FEATDSL_DATA/movietweetings`, the copy beside the project, or generated data."""
    if given is not None:
        if not (given / "interactions.parquet").is_file():
            raise InputError(
                f"there is no interactions.parquet in {given}", help="examples/movies/generate.py makes one"
            )
        return given.resolve()
    for root in (os.environ.get("FEATDSL_DATA"), ROOT.parent / "shared" / "data"):
        if root and (Path(root) / "movietweetings" / "interactions.parquet").is_file():
            return Path(root).resolve() / "movietweetings"
    from generate import generate

    made = out / "data"
    print(f"MovieTweetings is not there; generating data like it in {made}")
    generate(made)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description="The whole way, from a .feat file to live scores.")
    parser.add_argument(
        "--store", choices=("lmdb", "redis"), default="lmdb", help="where rows are kept for scoring"
    )
    parser.add_argument("--data", type=Path, help="a folder with users, items and interactions (Parquet)")
    parser.add_argument("--out", type=Path, default=ROOT / "demo", help="where everything is made")
    args = parser.parse_args()
    out = args.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        with ExitStack() as services:
            data = find_data(args.data, out)
            store = (
                services.enter_context(redis_server(out))
                if args.store == "redis"
                else f"lmdb://{out / 'store'}"
            )
            fine = Demo(out, data, store).run()
    except FeatError as error:
        print(
            f"error: {error.message}\nhelp: {error.help}" if error.help else f"error: {error.message}",
            file=sys.stderr,
        )
        return error.exit_code
    except subprocess.CalledProcessError as error:
        print(f"error: a step ended with {error.returncode}", file=sys.stderr)
        return 1
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
