"""`feat check`: finds the mistakes of .feat files."""

from __future__ import annotations

import argparse

SUMMARY = "Finds the mistakes of .feat files and of what they import."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a .feat file")
    parser.add_argument("--strict", action="store_true", help="exit code 1 for warnings, too")
    parser.add_argument("--json", action="store_true", help="print the diagnostics as JSON")
    parser.epilog = "example:\n  feat check examples/movies/movies.feat"


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when any diagnostic is an error; with --strict, when there is any."""
    from featdsl.check import check
    from featdsl.cli.program import report
    from featdsl.diagnostics import Diagnostic

    found: dict[tuple[str, str, int, int], Diagnostic] = {}
    for path in args.files:
        for d in check(path).diagnostics:
            found.setdefault((d.code, d.span.file.path, d.span.start, d.span.end), d)
    diagnostics = list(found.values())
    if args.json:
        import json

        from featdsl.rendering import as_data

        print(json.dumps(as_data(diagnostics), ensure_ascii=False))
    elif diagnostics:
        report(diagnostics)
    else:
        print("no mistakes found")
    return 1 if any(args.strict or d.severity == "error" for d in diagnostics) else 0
