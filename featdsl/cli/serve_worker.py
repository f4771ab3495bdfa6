"""One worker of `feat serve --workers N`: `python -m featdsl.cli.serve_worker LINE`, started by the supervisor."""

from __future__ import annotations

import argparse
import sys

from featdsl.cli import serve
from featdsl.cli.main import run_command
from online.stopping import end_now
from online.worker_link import WorkerLink


def run(args: argparse.Namespace) -> int:
    return serve.run_worker(args, args.link)


if __name__ == "__main__":
    link = WorkerLink(int(sys.argv[1]))
    arguments = argparse.Namespace(**link.arguments, link=link)
    code = run_command(sys.modules["__main__"], arguments)
    end_now(code)
