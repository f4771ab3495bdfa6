"""`feat graph`: draws a program as SVG."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Draws a program as SVG: from what it reads to its features, with shared parts once, by level."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .feat file or a bundle")
    parser.add_argument("-o", "--out", required=True, metavar="PATH", help="the .svg file to write")
    parser.add_argument(
        "--feature", metavar="NAME", help="only this feature, or this input of a model (`ranker.dense`)"
    )
    parser.add_argument("--json", action="store_true", help="print what was drawn as JSON")
    parser.epilog = "example:\n  feat graph movies.feat -o taste.svg --feature taste_cross"


def run(args: argparse.Namespace) -> int:
    """Exit code 1 for a program with mistakes, or a file that cannot be written."""
    from compiler.drawing import draw
    from featdsl.cli.explain_text import only
    from featdsl.cli.program import load_program
    from featdsl.cli.text_file import write_text

    bundle = load_program(args.file)
    if bundle is None:
        return 1
    module = only(bundle.module, args.feature) if args.feature else bundle.module
    title = f"{bundle.schema.namespace}: {args.feature}" if args.feature else bundle.schema.namespace
    write_text(args.out, draw(module, title))
    count = len(module.graph.nodes)
    if args.json:
        import json

        print(json.dumps({"out": args.out, "nodes": count, "results": list(module.roots)}))
    else:
        print(f"wrote {Path(args.out)}: {count} nodes, {len(module.roots)} results")
    return 0
