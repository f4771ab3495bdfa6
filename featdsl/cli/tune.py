"""`feat tune`: the options of `feat serve` that answer most calls within a bound for the p99, on this machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featdsl.cli.bench import check_mix, configure_mix, mix_of, try_one
from featdsl.cli.text_file import check_writable, write_text
from featdsl.errors import InputError, ServiceError

if TYPE_CHECKING:
    from online.load.tuning import Trial

SUMMARY = "Finds the options of `feat serve` that answer most calls a second within a bound for the p99."

_START_S = 120.0
_DEFAULTS = {"workers": 1, "threads": 8, "model-threads": 1, "model-batch-rows": 4096, "model-delay-ms": 0}
"""Of `feat serve`: what is tried first."""

_TRIALS = 20

_LONGER = 5
"""So many times a trial's seconds the answer is looked at again."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--p99-ms", metavar="MS", type=float, required=True, help="the bound, as clients see it"
    )
    for option in ("--bundle", "--program", "--store", "--registry", "--model", "--config"):
        parser.add_argument(option, metavar="X", help="as for `feat serve`")
    parser.add_argument(
        "--with",
        dest="fixed",
        metavar="OPTION=V",
        action="append",
        default=[],
        help="an option of `feat serve` that stays as it is: cache-mb=512",
    )
    configure_mix(parser)
    parser.add_argument(
        "--trials", metavar="N", type=int, help=f"sets of options to try ({_TRIALS}, less than 5 %% of all)"
    )
    parser.add_argument("--seconds", metavar="S", type=float, default=3.0, help="so long each rate (3)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write what was tried")
    parser.epilog = (
        "It starts servers itself and drives them as `feat bench serve` does. The senders run on this machine, too:\n"
        "the options are found, the calls a second are fewer than with clients elsewhere. What comes out best is\n"
        "looked at again for five times as long, and what held then is told.\n\n"
        "example:\n"
        "  feat tune --p99-ms 20 --config feat.toml --keys user=1..100000 --keys item=items.txt --items 500"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 3 when a server does not start."""
    from online.load.tuning import choices, confirm, grid_size, most_trials, search

    check_mix(args)
    if args.json is not None:
        check_writable(args.json)
    if args.p99_ms <= 0:
        raise InputError(f"--p99-ms must be more than 0: {args.p99_ms}")
    fixed = dict(_fixed(text) for text in args.fixed)
    given = [f"--{name}={value}" for name, value in fixed.items()]
    for name in ("bundle", "program", "store", "registry", "model", "config"):
        if getattr(args, name) is not None:
            given.append(f"--{name}={getattr(args, name)}")
    space = {
        name: values
        for name, values in choices(len(os.sched_getaffinity(0))).items()
        if name not in fixed and len(values) > 1
    }
    if not space:
        raise InputError("nothing is left to be tuned: --with says it all")
    most = most_trials(space)
    trials = min(_TRIALS, most) if args.trials is None else args.trials
    if not 1 <= trials <= most:
        raise InputError(f"--trials must be from 1 to {most}, less than 5 % of {grid_size(space)}: {trials}")
    print(f"{trials} of {grid_size(space)} sets of options, p99 at most {args.p99_ms:g} ms", flush=True)

    def told(number: int, trial: Trial) -> None:
        print(f"{number:3} {trial.rate:8.1f} calls/s  {_line(trial.flags)}", flush=True)

    begin = {name: _DEFAULTS[name] for name in space}
    tried = search(space, lambda flags, first: _measure(args, given, flags, first), trials, told, [begin])
    if not tried[0].rate:
        _write(args, tried, None)
        print("\nno set of options answers within the bound: a longer --p99-ms, or fewer --items")
        return 1
    print(f"\nthe best again, for {_LONGER * args.seconds:g} s a rate:", flush=True)
    best = confirm(tried, lambda trial: _confirmed(args, given, trial), _tell_confirmed)
    _write(args, tried, best)
    if best is None:
        print(
            "\nnothing holds for so long: a longer --p99-ms, fewer --items, or longer trials with --seconds"
        )
        return 1
    base = next(trial for trial in tried if trial.flags == begin)
    print(
        f"\nbest, {best.rate:.0f} calls a second with a p99 of {best.p99_ms:.1f} ms (the defaults, in their trial: "
        f"{base.rate:.0f}):\n  feat serve … {_line(best.flags)}"
    )
    return 0


def _tell_confirmed(claimed: Trial, found: Trial) -> None:
    held = f"{found.rate:8.1f} calls/s, p99 {found.p99_ms:.1f} ms" if found.rate else "    does not hold"
    print(f"{held} ({claimed.rate:.1f} in the trial)  {_line(found.flags)}", flush=True)


def _write(args: argparse.Namespace, tried: Sequence[Trial], best: Trial | None) -> None:
    if args.json is None:
        return
    found: dict[str, Any] = {"p99_ms": args.p99_ms}
    found["tried"] = [{"rate": trial.rate, "options": dict(trial.flags)} for trial in tried]
    found["confirmed"] = best and {
        "rate": best.rate,
        "p99_ms": best.p99_ms,
        "seconds": _LONGER * args.seconds,
        "options": dict(best.flags),
    }
    write_text(args.json, json.dumps(found, indent=1) + "\n")


def _fixed(text: str) -> tuple[str, str]:
    name, equals, value = text.removeprefix("--").partition("=")
    if not equals:
        raise InputError(f"--with takes OPTION=VALUE: {text}", help="such as cache-mb=512")
    return name, value


def _line(flags: Mapping[str, float]) -> str:
    return " ".join(f"--{name} {value:g}" for name, value in flags.items())


def _measure(args: argparse.Namespace, given: list[str], flags: Mapping[str, float], first: float) -> float:
    """The calls a second that a server with these flags answers within the bound."""
    from online.load.tuning import capacity

    with _driven(args, given, flags) as p99_ms:
        p99_ms(first, args.seconds)  # what is cold is not what is asked
        return capacity(lambda rate: p99_ms(rate, args.seconds) > 0, first)


def _confirmed(args: argparse.Namespace, given: list[str], trial: Trial) -> Trial:
    """What holds of a trial when it is looked at for longer, on a server of its own."""
    from online.load.tuning import held

    with _driven(args, given, trial.flags) as p99_ms:
        p99_ms(trial.rate, args.seconds)
        return held(trial, lambda rate: p99_ms(rate, _LONGER * args.seconds))


@contextlib.contextmanager
def _driven(
    args: argparse.Namespace, given: list[str], flags: Mapping[str, float]
) -> Iterator[Callable[[float, float], float]]:
    """A server with these flags, and who sends it calls: the p99 in milliseconds of a rate that is kept for so many
    seconds, 0 where it is not within the bound."""
    from online.client import ScorerClient
    from online.load.driver import driver
    from online.load.results import step_of

    with _served([*given, *(f"--{name}={value:g}" for name, value in flags.items())]) as address:
        with ScorerClient(address, timeout_s=10.0) as client:
            mix = mix_of(args, client.models())
            try_one(client, mix)
        with driver(address, mix, args.clients, args.timeout_ms / 1000) as sending:

            def p99_ms(rate: float, seconds: float) -> float:
                step = step_of(sending.run(rate, seconds), {}, {})
                found = step.latency_ms["p99"]
                return found if step.keeps_up and found <= args.p99_ms else 0.0

            yield p99_ms


@contextlib.contextmanager
def _served(options: list[str]) -> Iterator[str]:
    """A `feat serve` with these options; gives its address. Errors: `ServiceError` when it does not start."""
    with tempfile.TemporaryDirectory(prefix="featdsl-tune-") as folder:
        port, log = Path(folder) / "port", Path(folder) / "log"
        command = [sys.executable, "-m", "featdsl.cli", "serve", f"--port-file={port}", *options]
        with open(log, "wb") as to:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=to, stderr=to)
        try:
            give_up = time.monotonic() + _START_S
            while not port.exists():
                if process.poll() is not None or time.monotonic() > give_up:
                    why, way_out = _last_words(log)
                    raise ServiceError(f"`feat serve` does not start: {why}", help=way_out)
                time.sleep(0.05)
            yield f"127.0.0.1:{port.read_text().strip()}"
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _last_words(log: Path) -> tuple[str, str]:
    """The error that a server ended with, or the last that it wrote; and its help."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["no word"]
    last = next((at for at, line in reversed([*enumerate(lines)]) if line.startswith("error: ")), None)
    if last is None:
        return lines[-1], ""
    way_out = next((line for line in lines[last:] if line.startswith("help: ")), "")
    return lines[last].removeprefix("error: "), way_out.removeprefix("help: ")
