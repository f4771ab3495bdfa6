"""`feat export`: gives the versions of a registry to TensorFlow Serving or Triton."""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
from pathlib import Path

from featdsl.cli.registry_url import PLACES

SUMMARY = (
    "Gives published versions to TensorFlow Serving or Triton, and moves labels when they are ready there."
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", required=True, metavar="URL", help=f"where versions live: {PLACES}")
    parser.add_argument(
        "--to",
        required=True,
        metavar="URL",
        help="the model server, as `feat serve --model-server` has it: triton://host:8001/NAME, tfs://host:8500/NAME",
    )
    parser.add_argument(
        "--models", required=True, metavar="DIR", type=Path, help="the folder of models that it reads"
    )
    parser.add_argument(
        "--follow", metavar="LABEL", default="", help="export what has this label, and not HEAD"
    )
    parser.add_argument(
        "--route",
        metavar="LABEL",
        default="",
        help="a label of the registry to move when all hosts have a version, for servers that --follow it",
    )
    parser.add_argument("--keep", metavar="K", type=int, default=2, help="versions to leave there beside (2)")
    parser.add_argument(
        "--timeout-s",
        metavar="S",
        type=float,
        default=120.0,
        help="how long a server may take for a version (120)",
    )
    parser.add_argument(
        "--convert",
        metavar="CMD",
        default="",
        help="for TensorFlow Serving: `CMD FOLDER TARGET` makes a SavedModel of a version's folder",
    )
    parser.add_argument(
        "--server-config",
        metavar="FILE",
        type=Path,
        help="of TensorFlow Serving: its --model_config_file, in which versions and the label of the URL are set",
    )
    parser.add_argument(
        "--model-py",
        metavar="FILE",
        type=Path,
        help="for Triton's Python backend: a model.py of your own, instead of the one that runs the published graph",
    )
    parser.add_argument("--once", action="store_true", help="end when the version of now serves, or cannot")
    parser.epilog = (
        "examples:\n"
        "  feat export --registry dir://registry --to triton://gpu1:8001,gpu2:8001/ranker --models /models\n"
        "  feat export --registry dir://registry --to 'tfs://host:8500/ranker?label=stable' --models /models \\\n"
        "    --convert 'python to_saved_model.py' --server-config /models/models.config"
    )


def run(args: argparse.Namespace) -> int:
    """Goes on until SIGTERM or SIGINT."""
    from featdsl.errors import InputError, without_password
    from model_sync.labels import check_name
    from online.export.opening import ExportOptions, open_exporter

    for label in (args.follow, args.route):
        if label:
            check_name(label)
    if args.keep < 0 or args.timeout_s <= 0:
        raise InputError(f"--keep is 0 or more, --timeout-s above 0: {args.keep}, {args.timeout_s:g}")
    if args.model_py is not None and not args.model_py.is_file():
        raise InputError(f"there is no such file: {args.model_py}")
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    options = ExportOptions(
        args.follow,
        args.route,
        args.keep,
        args.timeout_s,
        args.model_py,
        shlex.split(args.convert),
        args.server_config,
    )
    exporter = open_exporter(args.registry, args.to, args.models, options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: exporter.stop())
    what = f"the label {args.follow}" if args.follow else "HEAD"
    print(f"exporting {what} of {without_password(args.registry)} to {args.to}", flush=True)
    try:
        exporter.run(once=args.once)
    finally:
        exporter.close()
    if args.once and exporter.routed is not None:
        print(f"version {exporter.routed} serves there")
    return 0
