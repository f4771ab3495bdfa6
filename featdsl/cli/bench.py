"""`feat bench serve`: how fast a scoring server is, and where its limit lies."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featdsl.cli.score import fields_of
from featdsl.cli.text_file import check_writable, write_text
from featdsl.errors import InputError

if TYPE_CHECKING:
    from online.load.calls import Mix
    from online.load.results import Step
    from online.results import ServerInfo

SUMMARY = "Drives a scoring server that runs: latency against throughput."

_FIRST_RATE = 20.0
_MOST_STEPS = 14

_MOST_KEYS = 1_000_000
_STORE_TIMEOUT_S = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("serve",), help="a scoring server")
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="where the server listens")
    configure_mix(parser)
    parser.add_argument(
        "--rates", metavar="R,R,…", help="calls a second, in turn; else doubled until the server falls behind"
    )
    parser.add_argument("--seconds", metavar="S", type=float, default=5.0, help="so long each rate (5)")
    parser.add_argument(
        "--metrics", metavar="URL", action="append", default=[], help="the server's metrics: hits, cores"
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page with the curves")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the numbers")
    parser.epilog = (
        "Calls come at random times that do not wait for answers (open loop, Poisson), and latency counts from the\n"
        "time at which a call was to be sent.\n\n"
        "example:\n"
        "  feat bench serve --address 127.0.0.1:8500 --keys user=1..100000 --keys item=items.txt --items 500 \\\n"
        "    --metrics http://127.0.0.1:9401/metrics --html load.html"
    )


def configure_mix(parser: argparse.ArgumentParser) -> None:
    """What calls ask for, and who sends them."""
    parser.add_argument(
        "--keys",
        metavar="ENTITY=FILE|A..B|STORE#SOURCE",
        action="append",
        default=[],
        help="keys to ask with: a file with one a line, the most wanted first; all from A to B; or those of a source's "
        "rows in a store, lmdb://store#movie",
    )
    parser.add_argument("--items", metavar="N", type=int, default=100, help="candidates a call (100)")
    parser.add_argument(
        "--zipf", metavar="S", type=float, default=1.0, help="exponent of the items' popularity (1.0)"
    )
    parser.add_argument("--clients", metavar="N", type=int, default=2, help="processes that send (2)")
    parser.add_argument(
        "--request", metavar="FIELD=V", action="append", default=[], help="a field of the request block"
    )
    parser.add_argument(
        "--candidate", metavar="FIELD=V", action="append", default=[], help="a field, the same for all"
    )
    parser.add_argument("--timeout-ms", type=int, default=1_000, help="a call's deadline (1000)")


def run(args: argparse.Namespace) -> int:
    """Exit code 3 when no server answers."""
    from online.client import ScorerClient
    from online.load.driver import driver
    from online.load.page import page
    from online.load.results import as_json, scrape, step_of, table

    check_mix(args)
    for file in (args.html, args.json):
        if file is not None:
            check_writable(file)
    rates = _rates(args.rates)
    with ScorerClient(args.address, timeout_s=5.0) as client:
        info = client.models()
        mix = mix_of(args, info)
        try_one(client, mix)
    steps: list[Step] = []
    with driver(args.address, mix, args.clients, args.timeout_ms / 1000) as sending:
        sending.run(min(rates or [_FIRST_RATE]), min(1.0, args.seconds))  # connections, caches, a first look
        while len(steps) < (len(rates) or _MOST_STEPS):
            rate = rates[len(steps)] if rates else _FIRST_RATE * 2 ** len(steps)
            before = scrape(args.metrics)
            taken = sending.run(rate, args.seconds)
            steps.append(step_of(taken, before, scrape(args.metrics)))
            print(f"{rate:g} calls a second: p99 {steps[-1].latency_ms['p99']:.2f} ms", flush=True)
            if not rates and not steps[-1].keeps_up:
                break
    model = info.models[0]
    what = (
        f"{info.namespace} {model.name} version {model.serving_version}, {args.items} candidates a call, "
        f"Zipf {args.zipf:g}, {args.clients} sending processes, {args.seconds:g} s a rate, open loop"
    )
    print(f"\n{what}\n\n{table(steps)}")
    if args.json is not None:
        write_text(args.json, json.dumps({"what": what, "steps": as_json(steps)}, indent=1) + "\n")
    if args.html is not None:
        write_text(args.html, page(f"feat bench serve: {args.address}", what, steps))
        print(f"\ncurves: {args.html}")
    return 0


def check_mix(args: argparse.Namespace) -> None:
    """Errors: `InputError` for numbers that cannot be."""
    for option, value in (
        ("--items", args.items),
        ("--clients", args.clients),
        ("--timeout-ms", args.timeout_ms),
    ):
        if value < 1:
            raise InputError(f"{option} must be 1 or more: {value}")
    if args.seconds <= 0:
        raise InputError(f"--seconds must be more than 0: {args.seconds}")


def try_one(client: Any, mix: Mix) -> None:
    """One call, so that what is wrong with all of them is told before they are sent."""
    client.score(
        {
            **{name: keys[0] for name, keys in mix.one.items()},
            **{name: list(keys[: mix.items]) for name, keys in mix.many.items()},
        },
        mix.request,
        {
            name: [value] * max([min(mix.items, len(keys)) for keys in mix.many.values()] or [1])
            for name, value in mix.candidate.items()
        },
    )


def mix_of(args: argparse.Namespace, info: ServerInfo) -> Mix:
    from online.load.calls import Mix

    given: dict[str, str] = {}
    for text in args.keys:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--keys takes ENTITY=FILE or ENTITY=A..B: {text}")
        given[name] = value
    known = {entity.name: entity for entity in info.entities}
    for name in given:
        if name not in known:
            raise InputError(f"the program has no such entity: {name}", help=f"there are: {', '.join(known)}")
    for name in known:
        if name not in given:
            raise InputError(f"nothing says which keys to ask with: {name}", help=f"--keys {name}=FILE")
    keys = {name: _keys(text, known[name].type != "string", info.namespace) for name, text in given.items()}
    return Mix(
        {name: keys[name] for name in keys if not known[name].per_candidate},
        {name: keys[name] for name in keys if known[name].per_candidate},
        args.items,
        args.zipf,
        fields_of("request", args.request, info.request),
        fields_of("candidate", args.candidate, info.candidate),
    )


def _keys(text: str, integers: bool, namespace: str) -> Sequence[int | str]:
    if "://" in text:
        return _keys_of_store(text, integers, namespace)
    first, dots, last = text.partition("..")
    if dots and first.isdecimal() and last.isdecimal():
        numbers = range(int(first), int(last) + 1)
        if not numbers:
            raise InputError(f"there is no key from {first} to {last}")
        return numbers if integers else [str(number) for number in numbers]
    try:
        lines = [line for line in Path(text).read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"the keys do not read: {text} ({fault})") from fault
    if not lines:
        raise InputError(f"the file has no keys: {text}")
    return _of_type(lines, integers, text)


def _keys_of_store(text: str, integers: bool, namespace: str) -> Sequence[int | str]:
    from store.interface import open_store

    url, _, source = text.rpartition("#")
    if not url:
        raise InputError(
            f"nothing says of which source the keys are: {text}", help="such as lmdb://store#movie"
        )
    store = open_store(url, namespace, _STORE_TIMEOUT_S)
    try:
        found = store.some_keys(source, _MOST_KEYS)
    finally:
        store.close()
    if not found:
        raise InputError(
            f"the store has no rows of the source `{source}` in the namespace {namespace}: {url}"
        )
    return _of_type(found, integers, text)


def _of_type(keys: list[str], integers: bool, text: str) -> Sequence[int | str]:
    try:
        return [int(key) for key in keys] if integers else keys
    except ValueError as fault:
        raise InputError(f"a key in {text} is no integer: {fault}") from fault


def _rates(text: str | None) -> list[float]:
    if text is None:
        return []
    try:
        rates = [float(part) for part in text.split(",")]
    except ValueError:
        rates = []
    if not rates or min(rates) <= 0 or max(rates) > 1e6:
        raise InputError(f"--rates takes numbers of calls a second: {text}", help="such as 50,100,200")
    return rates
