"""`feat explain`: shows how a program computes its features, level by level; what a code means; what an operator
does."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from featdsl.errors import InputError
from featdsl.rendering import wants_color

if TYPE_CHECKING:
    from featdsl.cli.explain_text import Explained

SUMMARY = (
    "Shows how a program computes its features, level by level; or what the code of a mistake means, "
    "or what an operator does."
)

_CODE = re.compile(r"[EW]\d{4}", re.IGNORECASE)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .feat file, a bundle, a code or an operator")
    parser.add_argument("feature", metavar="FEATURE", nargs="?", help="only this feature, as a tree")
    parser.add_argument(
        "--passes", action="store_true", help="show the graph after each pass of the compiler"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.epilog = (
        "examples:\n  feat explain movies.feat taste\n  feat explain E0203\n  feat explain jaccard\n"
        "  feat explain '??'"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 1 for a program with mistakes, an unknown feature, code or operator."""
    if _CODE.fullmatch(args.file):
        return _explain_code(args.file.upper(), args.json)
    if not Path(args.file).exists() and not Path(args.file).suffix and "/" not in args.file:
        return _explain_operator(args.file, args.json)
    from featdsl.cli.explain_text import only, show_feature, show_passes, show_program

    program = _program(args.file)
    if program is None:
        return 1
    if args.json:
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
    return Explained(checked.schema, optimize(lowered), docs, lowered, checked.sites)


def _explain_code(code: str, as_json: bool) -> int:
    from featdsl.codes import CODES
    from featdsl.manual.codes import page
    from featdsl.manual.terminal import code_page

    if code not in CODES:
        near = _near(code, CODES) or "errors begin with E01 to E08, warnings with W01 and W02"
        raise InputError(f"there is no such code: {code}", help=near)
    if as_json:
        print(json.dumps(page(code).as_data(), ensure_ascii=False))
    else:
        print(code_page(page(code), color=wants_color(sys.stdout)))
    return 0


def _explain_operator(name: str, as_json: bool) -> int:
    from featdsl.manual.operators import entries, named
    from featdsl.manual.terminal import operator_page

    entry = named(name)
    if entry is None:
        from featdsl.codes import CODES

        near = _near(name, entries()) or _near(name.upper().replace("O", "0"), CODES)
        raise InputError(f"there is no such file, operator or code: {name}", help=near)
    if as_json:
        print(json.dumps(entry.as_data(), ensure_ascii=False))
    else:
        print(operator_page(entry, color=wants_color(sys.stdout)))
    return 0


def _near(name: str, known: Iterable[str]) -> str:
    """Those that are spelled nearly so, three at most and none that is much less near than the nearest."""
    matcher = difflib.SequenceMatcher(b=name)
    near: list[str] = []
    best = 0.0
    for one in difflib.get_close_matches(name, known, n=3):
        matcher.set_seq1(one)
        best = best or matcher.ratio()
        if matcher.ratio() > best - 0.1:
            near.append(one)
    return f"did you mean {' or '.join(', '.join(near).rsplit(', ', 1))}?" if near else ""
