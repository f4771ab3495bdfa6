"""The command `feat`: picks the command's module and imports only that."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from types import ModuleType

COMMANDS = {
    "check": "find the mistakes of .feat files",
    "build": "compile a .feat file into a bundle",
    "explain": "show how a program computes its features",
    "graph": "draw a program as SVG",
    "run": "compute the features of rows that are already joined",
    "fit": "learn what a program leaves to the data, with Spark",
    "dataset": "make training data with Spark",
    "load": "write every source's newest rows to the store",
    "serve": "start the scoring server",
    "model-server": "serve a model alone, as TensorFlow Serving and KServe v2 do",
    "score": "ask a scoring server",
    "bench": "drive a scoring server: latency against throughput",
    "tune": "find the best options of a scoring server",
    "publish": "publish a model's version",
    "versions": "list the published versions, and who serves them",
    "promote": "give a version a label, or to a share of the users",
    "rollback": "go back to an earlier version",
    "prune": "remove old versions that nobody needs",
    "fetch": "write a version's files into a folder",
    "export": "give versions to TensorFlow Serving or Triton",
}
"""Every command and its one-line help; `feat NAME` is `featdsl/cli/NAME.py`, with `_` for `-`."""


def main(argv: list[str] | None = None) -> int:
    """Runs a command. Returns 0 done, 1 the input is at fault, 2 wrong usage, 3 a service is not there."""
    arguments = sys.argv[1:] if argv is None else argv
    name = arguments[0] if arguments else ""
    if name in ("--version", "-V"):
        from featdsl import __version__

        print(f"feat {__version__}")
        return 0
    if name in ("", "-h", "--help", "help"):
        print(_overview())
        return 0 if name else 2
    if name not in COMMANDS:
        return _unknown(name)
    module = importlib.import_module(f"featdsl.cli.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"feat {name}", description=module.SUMMARY, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.configure(parser)
    try:
        options = parser.parse_intermixed_args(arguments[1:])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    return run_command(module, options)


def run_command(module: ModuleType, options: argparse.Namespace) -> int:
    """Runs a command's module. What went wrong is told in a line; returns as `main`."""
    from featdsl.errors import FeatError

    try:
        code: int = module.run(options)
        sys.stdout.flush()
        return code
    except FeatError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.help:
            print(f"help: {error.help}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _overview() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        "usage: feat COMMAND …\n\nFeatures written once, exact in training and in scoring.\n\n"
        f"commands:\n{listed}\n\n`feat COMMAND --help` tells more, with an example."
    )


def _unknown(name: str) -> int:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean `feat {near[0]}`?" if near else "`feat --help` lists the commands"
    print(f"error: there is no such command: {name}\nhelp: {hint}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
