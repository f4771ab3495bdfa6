"""`feat explain`: shows how a program computes its features, level by level; and what a code means."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featdsl.cli.explain_text import Explained

SUMMARY = "Shows how a program computes its features, level by level; or what the code of a mistake means."

_CODE = re.compile(r"[EW]\d{4}", re.IGNORECASE)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .feat file, a bundle, or a code such as E0203")
    parser.add_argument("feature", metavar="FEATURE", nargs="?", help="only this feature, as a tree")
    parser.add_argument(
        "--passes", action="store_true", help="show the graph after each pass of the compiler"
    )
    parser.add_argument("--json", action="store_true", help="print the graph as JSON")
    parser.epilog = "examples:\n  feat explain movies.feat taste\n  feat explain E0203"


def run(args: argparse.Namespace) -> int:
    """Exit code 1 for a program with mistakes, an unknown feature or code."""
    if _CODE.fullmatch(args.file):
        print(_explain_code(args.file.upper()))
        return 0
    from featdsl.cli.explain_text import only, show_feature, show_passes, show_program

    program = _program(args.file)
    if program is None:
        return 1
    if args.json:
        import json

        from compiler.graph_data import graph_to_data

        module = only(program.module, args.feature) if args.feature else program.module
        print(json.dumps(graph_to_data(module), ensure_ascii=False))
    elif args.passes:
        print("\n".join(show_passes(program, args.feature)))
    elif args.feature:
        print("\n".join(show_feature(program, args.feature)))
    else:
        print("\n".join(show_program(program)))
    return 0


def _program(path: str) -> Explained | None:
    from compiler.bundle import read_bundle
    from compiler.lower import lower
    from compiler.passes import optimize
    from featdsl.cli.explain_text import Explained
    from featdsl.cli.program import checked_program, is_bundle

    if is_bundle(path):
        bundle = read_bundle(path)
        return Explained(bundle.schema, bundle.module, dict(bundle.docs))
    checked = checked_program(path)
    if checked is None:
        return None
    lowered = lower(checked)
    docs = {feature.name: feature.doc for feature in checked.features}
    return Explained(checked.schema, optimize(lowered), docs, lowered)


def _explain_code(code: str) -> str:
    from featdsl.codes import CODES
    from featdsl.errors import InputError

    if code not in CODES:
        import difflib

        near = difflib.get_close_matches(code, CODES, n=1)
        raise InputError(f"there is no such code: {code}", help=f"did you mean {near[0]}?" if near else "")
    return f"{code}: {CODES[code]}"
