"""`feat fit`: learns what a program leaves to the data, with Spark."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featdsl.state import State
    from offline.drift import Drift
    from offline.fit import Fitted

SUMMARY = "Learns what a program leaves to the data (means, quantiles, vocabs, target means, corpora) from the samples."


def configure(parser: argparse.ArgumentParser) -> None:
    from featdsl.cli.project import add_project_options, add_spark_options

    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="a .feat file (default: the one of feat.toml)"
    )
    add_project_options(parser)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="learn anew only what stands in this feature, let or model; may be given again",
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="learn from samples before this time (ISO 8601, or microseconds since 1970)",
    )
    parser.add_argument(
        "--report", metavar="FILE", help="where to write how the state moved (default: FILE.drift.json)"
    )
    parser.add_argument("--json", action="store_true", help="print what was learned and moved as JSON")
    add_spark_options(parser)
    parser.epilog = (
        "The state is written beside the program: movies.state.json of movies.feat.\n\n"
        "examples:\n  feat fit\n  feat fit movies.feat --until 2021-01-01 --only popularity"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where the input is at fault, 3 where Java, pyspark or the master is not there."""
    from featdsl.cli.project import config_of, microseconds_of, say, session_of
    from featdsl.state import state_path, state_text, write_state

    config = config_of(args)
    assert config is not None
    path = args.file or str(config.program)
    until_us = None if args.until is None else microseconds_of("--until", args.until)
    if not _has_program(path):
        return 1
    state_file = state_path(path)
    before = _before(state_file, bool(args.only))
    started = time.monotonic()
    say("starting Spark")
    with session_of("fit", args, config) as session:
        from offline.drift import drift
        from offline.fit import fit

        fitted = fit(session, path, config, before, only=args.only, until_us=until_us, say=say)
    found = drift(before, fitted.state, fitted.fitted, fitted.shifts)
    text = state_text(fitted.state)
    _write(state_file, text, write_state)
    report = args.report or str(Path(path).with_suffix(".drift.json"))
    data = _as_data(fitted, found, state_file)
    if before.sites or args.report:
        _write(report, json.dumps(data, indent=1, ensure_ascii=False) + "\n", write_state)
    _warn(path)
    if args.json:
        print(json.dumps(data, ensure_ascii=False))
    else:
        _print(fitted, found, state_file, time.monotonic() - started)
    return 0


def _has_program(path: str) -> bool:
    """Whether the file has no mistakes but what is not fitted; they are printed."""
    from featdsl.check import check
    from featdsl.cli.program import report
    from featdsl.state import State

    checked = check(path, fitting=State())
    if checked.program is None:
        report(checked.diagnostics)
    return checked.program is not None


def _before(path: str, needed: bool) -> State:
    """The state so far. What is damaged is learned anew, but for `--only`, which keeps the rest of it."""
    from featdsl.cli.project import say
    from featdsl.errors import InputError
    from featdsl.state import BadState, State, read_state

    try:
        return read_state(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return State()
    except (BadState, OSError, UnicodeDecodeError) as error:
        if needed:
            raise InputError(
                f"the fitted state cannot be used ({error}): {path}",
                help="leave --only out: all is learned anew",
            ) from None
        say(f"the state that is there cannot be used ({error}): all is learned anew")
        return State()


def _write(path: str, text: str, write: Any) -> None:
    from featdsl.errors import InputError

    try:
        write(path, text)
    except OSError as error:
        raise InputError(f"the file cannot be written: {error.strerror}: {path}") from None


def _warn(path: str) -> None:
    """The program with its new state: hash spaces in which values collide."""
    from featdsl.check import check
    from featdsl.cli.program import report

    report(check(path).diagnostics)


def _as_data(fitted: Fitted, found: list[Drift], path: str) -> dict[str, Any]:
    state = fitted.state
    return {
        "state": path,
        "samples": state.samples,
        "fitted": len(fitted.fitted),
        "sites": len(state.sites),
        "drift": [one.as_data() for one in found],
        "hash_spaces": [
            {"of": s.of, "buckets": s.buckets, "values": s.values, "colliding": s.colliding}
            for s in state.hash_spaces.values()
        ],
    }


def _print(fitted: Fitted, found: list[Drift], path: str, seconds: float) -> None:
    from offline.drift import drift_lines

    count = len(fitted.fitted)
    print(
        f"learned {count} statistic{'' if count == 1 else 's'} from {fitted.state.samples:,} samples in {seconds:.1f} s"
    )
    for line in drift_lines(found):
        print(line)
    print(f"  in {path}")
    sys.stdout.flush()
