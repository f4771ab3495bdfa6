"""Online learning on real data: `make demo-online`. Fresh parameters against frozen ones, on the same features.

What it makes lies in `demo-online/`: `auc.svg`, `versions.csv`, `scores.parquet`, the registry, the store, logs.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE.parent / "movies"))

import torch  # noqa: E402
from demo import ROOT, find_data, shorten, wait_until_serving  # noqa: E402
from features import MODEL, Features  # noqa: E402
from picture import draw  # noqa: E402
from ranker import Training  # noqa: E402
from replay import Replay  # noqa: E402
from report import Report  # noqa: E402
from traffic import Clients, Watch  # noqa: E402
from world import Interaction, World, windows  # noqa: E402

from compiler.bundle import read_bundle  # noqa: E402
from featdsl.errors import FeatError, InputError  # noqa: E402
from model_sync import Publisher  # noqa: E402
from store.interface import open_store  # noqa: E402

SAME = 1e-5
"""Scores of the server and of the trainer, for the same parameters, may differ by so much."""
START_S = 180
GENERATED = """These interactions are generated: nothing in them changes with time, so this does not say what fresh
   parameters are worth. On real ones: examples/online_learning/README.md"""


class Demo:
    """The steps in order. `window`: how many interactions are scored before they are trained on; `warm_up`: the share
    of all that is trained on before anything serves."""

    def __init__(
        self, out: Path, data: Path, *, window: int, warm_up: float, every_s: float, seed: int
    ) -> None:
        self.out, self.data = out, data
        self.window, self.warm_up, self.every_s, self.seed = window, warm_up, every_s, seed
        self.bundle = out / "movies.featb"
        self.registry, self.store = f"dir://{out / 'registry'}", f"lmdb://{out / 'store'}"
        self.started = time.monotonic()
        self.steps = 0

    def step(self, title: str) -> None:
        self.steps += 1
        elapsed = time.monotonic() - self.started
        print(f"\n\033[1m{self.steps}. {title}\033[0m  ({elapsed:.0f} s)", flush=True)

    def feat(self, *arguments: str) -> None:
        """Shows and runs a `feat` command."""
        print("   $ " + shorten(shlex.join(["feat", *arguments])), flush=True)
        done = subprocess.run([sys.executable, "-m", "featdsl.cli", *arguments], cwd=ROOT)
        if done.returncode:
            raise InputError(f"`feat {arguments[0]}` ended with {done.returncode}")

    def run(self) -> bool:
        """Whether no call failed, no answer was of an older version than one before it, and the servers' scores are
        those of the trainer."""
        self.step("Build the feature program")
        self.feat("build", str(HERE / "movies.feat"), "-o", str(self.bundle))
        bundle = read_bundle(self.bundle)
        every = list(windows(self.data, self.window))
        first = max(1, int(len(every) * self.warm_up))
        before, after = every[:first], every[first:]
        if not after:
            raise InputError("nothing is left to be scored", help="a smaller --window or --warm-up")

        dense = next(t.shape[1] for t in bundle.model(MODEL).inputs if t.name == "dense")
        assert dense is not None
        training = Training(dense, seed=self.seed)
        with ExitStack() as stack:
            world = World(self.data)
            store = open_store(self.store, bundle.schema.namespace, writable=True)
            stack.callback(store.close)
            publisher = stack.enter_context(
                Publisher(self.registry, training.ranker, bundle, every_s=self.every_s)
            )
            replay = Replay(bundle, world, Features(bundle), training, publisher, store)

            count, rest = sum(map(len, before)), sum(map(len, after))
            self.step(f"Train on the first {count:,} interactions, until {_day(before[-1])}")
            print(f"   loss of the last tenth: {replay.warm_up(before):.4f}")

            self.step("Publish that: the version that stays frozen, and the one that training goes on from")
            replay.publish(before[-1][-1].at_us)
            self.feat("promote", "1", "--to", "frozen", "--registry", self.registry)
            world.write_all(store, bundle)

            self.step("Start two scoring servers on one store: one follows HEAD, one the label")
            waits = {
                "fresh": stack.enter_context(self.server("fresh")),
                "frozen": stack.enter_context(self.server("frozen", "--follow", "frozen")),
            }
            addresses = {name: wait() for name, wait in waits.items()}
            clients = Clients(addresses)
            stack.callback(clients.close)

            self.step(f"Score, then train on, the other {rest:,}; publish every {self.every_s:g} s")
            with Watch(addresses["fresh"], after[0][0]) as watch:
                for number in replay.run(after, clients):
                    if (number + 1) * 10 // len(after) > number * 10 // len(after):
                        print(f"   {_day(after[number])}: {len(replay.published)} versions", flush=True)
                time.sleep(1.0)  # the last version's way
        return self.tell(replay, clients, watch)

    def tell(self, replay: Replay, clients: Clients, watch: Watch) -> bool:
        self.step("What fresh parameters are worth: AUC of interactions that nobody had trained on yet")
        failures = clients.failures + watch.failures
        if not replay.scored:
            raise InputError(f"no call was answered: {failures.most_common(1)}")
        report = Report(replay.scored, replay.published, watch)
        print(report.table())
        print("\n   95 % interval: users drawn again and again, each with all that they did.\n")
        if self.data.is_relative_to(self.out):
            print(f"   {GENERATED}\n")
        print(report.costs())
        versions = len({one.fresh.version for one in replay.scored})
        print(
            f"   {clients.calls + watch.calls:,} calls, answered by {versions} versions; failed: {failures.total()}; "
            f"answers that went back: {watch.went_back}\n"
            f"   {replay.compared:,} scores of the server beside the trainer's own: "
            f"the largest difference is {replay.difference:.1e}"
        )
        for what, count in failures.most_common(3):
            print(f"   failure ({count}): {what}")
        report.write(self.out)
        caption = (
            f"{len(replay.scored):,} interactions of {self.data.name}, {len(replay.published)} versions, "
            f"seed {self.seed}; {os.cpu_count()} cores ({platform.machine()}), {datetime.date.today()}"
        )
        (self.out / "auc.svg").write_text(draw(report.over_time(), caption))
        print(f"\n   The picture: {self.out / 'auc.svg'}")
        return not failures and not watch.went_back and replay.compared > 0 and replay.difference <= SAME

    @contextmanager
    def server(self, name: str, *options: str) -> Iterator[Callable[[], str]]:
        """A `feat serve` that starts; what waits for it and gives its address. Without an item cache: what is scored is
        what the store has by then."""
        port_file, log = self.out / f"port-{name}", self.out / f"server-{name}.log"
        arguments = [
            "serve", "--bundle", str(self.bundle), "--store", self.store, "--registry", self.registry, *options,
            "--cache-mb", "0", "--port-file", str(port_file),
        ]  # fmt: skip
        print("   $ " + shorten(shlex.join(["feat", *arguments])) + " &", flush=True)
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "featdsl.cli", *arguments], cwd=ROOT, stdout=output, stderr=output
            )
        try:
            yield lambda: wait_until_serving(process, port_file, log, within_s=START_S)
        finally:
            process.terminate()
            process.wait(60)


def _day(window: Sequence[Interaction]) -> str:
    return f"{datetime.datetime.fromtimestamp(window[-1].at_us / 1e6, datetime.UTC):%-d %B %Y}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Fresh parameters against frozen ones, on real interactions."
    )
    parser.add_argument("--data", type=Path, help="a folder with users, items and interactions (Parquet)")
    parser.add_argument("--out", type=Path, default=ROOT / "demo-online", help="where everything is made")
    parser.add_argument(
        "--window", type=int, default=250, help="interactions that are scored, then trained on (250)"
    )
    parser.add_argument("--warm-up", type=float, default=0.5, help="the share that comes before (0.5)")
    parser.add_argument("--every-s", type=float, default=2.0, help="seconds from version to version (2)")
    parser.add_argument("--seed", type=int, default=1, help="of what training draws (1)")
    args = parser.parse_args()
    torch.set_num_threads(1)  # two servers share the cores
    out = args.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        data = find_data(args.data, out)
        fine = Demo(
            out, data, window=args.window, warm_up=args.warm_up, every_s=args.every_s, seed=args.seed
        ).run()
    except FeatError as error:
        print(f"error: {error.message}\nhelp: {error.help}", file=sys.stderr)
        return error.exit_code
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
