"""`feat model-server`: serves a model alone, to clients of TensorFlow Serving and of KServe v2."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from featdsl.cli.model_options import add_model_options, model_options
from featdsl.cli.port_number import port_number
from featdsl.cli.registry_url import PLACES
from featdsl.cli.text_file import write_text
from featdsl.errors import InputError

if TYPE_CHECKING:
    from compiler.bundle import Bundle

SUMMARY = "Serves a published model alone: tensors in, outputs out, as TensorFlow Serving and KServe v2 (Triton) do."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", metavar="URL", required=True, help=f"where versions live: {PLACES}")
    parser.add_argument("--model", metavar="M", help="the model block; may be left out where there is one")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=port_number, default=0, help="0 (the default) takes any free one")
    parser.add_argument("--port-file", metavar="FILE", type=Path, help="write the port here when ready")
    parser.add_argument("--threads", type=int, default=8, help="calls that are in hand at once (8)")
    parser.add_argument(
        "--labels",
        metavar="FILE",
        type=Path,
        help='names for versions, as a JSON object: {"stable": 3}; they are kept loaded, and the file may change',
    )
    parser.add_argument(
        "--metrics-port",
        metavar="PORT",
        type=port_number,
        help="tell Prometheus on http://HOST:PORT/metrics, 0 for any free one",
    )
    add_model_options(parser)
    parser.add_argument("--grace-s", type=float, default=30.0, help="time to finish calls on SIGTERM (30)")
    parser.epilog = "example:\n  feat model-server --registry dir://registry --model ranker --port 8500"


def run(args: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT; what is in flight then is finished. A second signal ends it at once."""
    from online.collecting import spare_what_is_there
    from online.model_server import EmbeddedModelServer
    from online.model_server.grpc_face import FacedModel, ModelFace
    from online.model_server.kserve_face import KServeFace
    from online.model_server.labels import Labels
    from online.model_server.tfserving_face import TensorFlowServingFace
    from online.observe.exposition import MetricsPort
    from online.observe.model_metrics import ModelCalls, ModelCollector
    from online.stopping import Stopping, end_now
    from online.versions import VersionWatcher

    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    if args.threads < 1:
        raise InputError(f"--threads must be 1 or more: {args.threads}")
    bundle = _bundle(args.registry)
    if args.model is None and len(bundle.models) != 1:
        raise InputError(f"the program has {len(bundle.models)} models", help="name one with --model")
    signature = bundle.model(args.model or next(iter(bundle.models)))
    labels = Labels(args.labels) if args.labels is not None else None
    stopping = Stopping()
    server = EmbeddedModelServer(model_options(args))
    wanted = tuple if labels is None else labels.versions
    versions = VersionWatcher(args.registry, signature.name, bundle, server, also=wanted)
    calls = ModelCalls()
    model = FacedModel(signature, server, versions, labels, calls)
    methods = {**TensorFlowServingFace(model).methods(), **KServeFace(model).methods()}
    face = ModelFace(model, methods, threads=args.threads)
    metrics: MetricsPort | None = None
    try:
        versions.start()
        if args.metrics_port is not None:
            metrics = MetricsPort(
                ModelCollector(calls, versions, server.counts), args.host, args.metrics_port
            )
        port = face.start(args.host, args.port)
        spare_what_is_there()
        stopping.grace_s = args.grace_s
        if args.port_file is not None:
            write_text(args.port_file, f"{port}\n")
        serving = versions.serving
        state = f"version {serving.version}" if serving is not None else f"not serving: {versions.problem}"
        told = "" if metrics is None else f"; metrics on http://{args.host}:{metrics.port}/metrics"
        print(f"listening on {args.host}:{port} for {signature.name}, {state}{told}", flush=True)
        stopping.told.wait()
        face.stop(args.grace_s)
    finally:
        if metrics is not None:
            metrics.close()
        versions.stop()
        server.close()
        if args.port_file is not None:
            args.port_file.unlink(missing_ok=True)
    end_now(0)


def _bundle(url: str) -> Bundle:
    """The program that the newest version was made for."""
    from compiler.bundle import read_bundle
    from model_sync import VersionRefused, open_registry

    registry = open_registry(url)
    head = registry.head()
    if head is None:
        raise InputError(f"nothing is published yet: {url}", help="publish a version with `feat publish`")
    with tempfile.TemporaryDirectory(prefix="featdsl-version-") as folder:
        try:
            registry.fetch(head.version, Path(folder) / "version")
        except VersionRefused as refused:
            raise InputError(str(refused), help="`feat versions --verify` shows which are whole") from refused
        finally:
            registry.close()
        return read_bundle(Path(folder) / "version" / "bundle.featb")
