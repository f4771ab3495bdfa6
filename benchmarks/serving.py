"""A whole server: `a` a call without the model, beside Python services; `b` the two mixes of EasyRec, with a model,
beside a numpy service; `c` one model on three model servers; `d` what a call costs as items, features, users and the
items in the cache grow; `e` what is answered in time when more calls come than it can answer.

    .venv/bin/python -m benchmarks.serving [a] [b] [c] [d] [e] [--quick] [--json FILE] [--svg FILE]

Each starts its own Redis, services in processes of their own, and compares their outputs before anything is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import benchmarks.one_thread  # noqa: F401  before numpy
from benchmarks import serving_call, serving_easyrec, serving_growth, serving_models, serving_overload
from benchmarks.measure import machine, report

PARTS: dict[str, Callable[[bool], Any]] = {
    "a": serving_call.measure,
    "b": serving_easyrec.measure,
    "c": serving_models.measure,
    "d": serving_growth.measure,
    "e": serving_overload.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="A whole server, beside others.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="under two minutes each")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument("--svg", metavar="FILE", help="draw the curves of part d there")
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}, only {', '.join(PARTS)}")
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    parts = PARTS | {"d": partial(serving_growth.measure, svg=args.svg)}
    report({part: parts[part](args.quick) for part in args.parts or parts}, args.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
