"""`feat serve`: starts the scoring server."""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featdsl.cli.model_options import add_model_options, model_options
from featdsl.cli.port_number import port_number
from featdsl.cli.project import config_of, program_of
from featdsl.cli.registry_url import PLACES
from featdsl.cli.settings import remember_given, with_settings
from featdsl.cli.text_file import write_text
from featdsl.errors import InputError

if TYPE_CHECKING:
    from compiler.bundle import Bundle
    from compiler.signature import ModelSignature
    from online.model_server import ModelOptions
    from online.models import ModelServer
    from online.server import ScoringServer
    from online.worker_link import WorkerLink

SUMMARY = "Starts the scoring server: features from the store, scores from the newest published model."


CONNECTION_AGE_S = 30.0
"""Of connections to several workers: so long a worker that is replaced waits for its clients to leave it."""

_SECTIONS = frozenset(
    {
        "bundle",
        "program",
        "store",
        "registry",
        "model",
        "model_server",
        "config",
        "set",
        "port_file",
        "log_secret",
    }
)
"""Options that have their place elsewhere in feat.toml, or none."""

_CACHE_MB = 256
_CACHE_TTL_S = 600


def configure(parser: argparse.ArgumentParser) -> None:
    remember_given(parser)
    program = parser.add_mutually_exclusive_group()
    program.add_argument("--bundle", metavar="B", help="the program as `feat build` wrote it")
    program.add_argument("--program", metavar="X.feat", help="the program as text")
    parser.add_argument(
        "--store",
        metavar="URL",
        help="where rows are: lmdb://folder, redis://host:port/0, redis+cluster://host:port",
    )
    parser.add_argument("--registry", metavar="URL", help=f"where versions of the model live: {PLACES}")
    parser.add_argument(
        "--follow",
        metavar="LABEL",
        default="",
        help="serve the version that `feat promote` gave this label, such as stable (default: the newest, HEAD)",
    )
    parser.add_argument("--model", metavar="M", help="the model block; may be left out where there is one")
    parser.add_argument(
        "--model-server",
        metavar="URL",
        help="what runs the model: embedded (the default), tfs://host:8500/NAME, triton://a:8001,b:8001/NAME",
    )
    parser.add_argument("--config", metavar="FILE", help="a feat.toml: program, model, store, registry, …")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a variable of feat.toml"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=port_number, default=0, help="0 (the default) takes any free one")
    parser.add_argument("--port-file", metavar="FILE", type=Path, help="write the port here when ready")
    parser.add_argument(
        "--metrics-port",
        metavar="PORT",
        type=port_number,
        help="tell Prometheus on http://HOST:PORT/metrics, 0 for any free one; worker 1 on the next port, …",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        help="so many processes on the port, started again when they die, replaced one by one on SIGHUP",
    )
    parser.add_argument(
        "--pin",
        choices=("none", "cores"),
        default="none",
        help="cores: each worker keeps to a core of its own, in turn (none)",
    )
    parser.add_argument(
        "--connection-age-s",
        metavar="S",
        type=float,
        help="ask a client to connect anew after so long, 0 for never (30 with --workers, else 0)",
    )
    parser.add_argument(
        "--slow-ms", metavar="MS", type=float, help="tell calls that take so long in the log, by stage"
    )
    parser.add_argument(
        "--traces", metavar="URL", help="an OpenTelemetry collector for spans of calls: http://localhost:4317"
    )
    parser.add_argument(
        "--trace-ratio",
        metavar="R",
        type=float,
        default=0.01,
        help="of the calls, so many are traced; a caller's own decision comes first (0.01)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="of the log (text)")
    parser.add_argument(
        "--log-secret",
        metavar="FILE",
        type=Path,
        help="logs show keys as hashes; a secret of your own makes them the same in every process",
    )
    parser.add_argument("--threads", type=int, default=8, help="calls that run at once, of each worker (8)")
    parser.add_argument(
        "--queue", metavar="N", type=int, default=500, help="most calls that wait, beside those (500)"
    )
    parser.add_argument(
        "--queue-ms", metavar="MS", type=int, default=1000, help="longest wait of a call that is taken (1000)"
    )
    add_model_options(parser, keeps_items=True)
    parser.add_argument("--max-items", type=int, default=10_000, help="most candidates a call (10000)")
    parser.add_argument("--timeout-ms", type=int, default=10_000, help="of calls that name none (10000)")
    parser.add_argument("--store-timeout-ms", type=int, default=500, help="of one round to the store (500)")
    parser.add_argument(
        "--cache-mb",
        type=int,
        help=f"MiB, of each worker, for what items give, an eighth more for rows that requests lead to; 0: none "
        f"({_CACHE_MB})",
    )
    parser.add_argument(
        "--cache-ttl-s", type=int, help=f"how long an item is kept at most, in seconds ({_CACHE_TTL_S})"
    )
    parser.add_argument(
        "--when-store-down",
        choices=("fail", "defaults"),
        default="fail",
        help="fail the call, or go on as if every row were missing and say so in the answer (fail)",
    )
    parser.add_argument("--grace-s", type=float, default=30.0, help="time to finish calls on SIGTERM (30)")
    parser.epilog = (
        "example:\n"
        "  feat serve --bundle movies.featb --store lmdb://store --registry dir://registry --port 8500\n"
        "  feat serve --config feat.toml --workers 4 --port 8500\n"
        "  feat serve --config feat.toml --model-server tfs://127.0.0.1:8501/ranker"
    )


def run(args: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT; what is in flight then is finished. A second signal ends it at once."""
    from model_sync.labels import check_name
    from online.collecting import spare_what_is_there
    from online.stopping import Stopping, end_now

    given, args = args, _with_config(args)
    if args.follow:
        check_name(args.follow)
    _log(args)
    if args.workers is not None:
        return _supervise(args, given)
    program, store, registry, model_name = _places(args)
    bundle = program_of(program)
    model = _model(bundle, model_name)
    stopping = Stopping()
    server = _server(args, bundle, model, store, registry)
    try:
        port = server.start()
        spare_what_is_there()
        stopping.grace_s = args.grace_s
        told = server.metrics_port
        metrics = "" if told is None else f"; metrics on http://{args.host}:{told}/metrics"
        _announce(args, port, f"{bundle.schema.namespace}/{model.name}", _state(server) + metrics)
        stopping.told.wait()
        logging.getLogger("featdsl.server").info("stopping: finishing the calls in flight")
    finally:
        server.stop(stopping.grace_s if stopping.told.is_set() else 0)
        if args.port_file is not None:
            args.port_file.unlink(missing_ok=True)
    end_now(0)


def run_worker(args: argparse.Namespace, link: WorkerLink) -> int:
    """Serves beside others on the supervisor's port, until it is told to leave or stop."""
    from online.collecting import spare_what_is_there

    args = _with_config(args)
    if args.pin == "cores":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[link.number % len(cores)]})
    _log(args, f"worker {link.number}")
    program, store, registry, model_name = _places(args)
    bundle = program_of(program)
    model = _model(bundle, model_name)
    args.port = link.port
    if args.metrics_port:
        args.metrics_port += link.number
    server = _server(args, bundle, model, store, registry)
    stopped = False
    try:
        server.start()
        spare_what_is_there()
        link.stopping.grace_s = args.grace_s
        name = f"{bundle.schema.namespace}/{model.name}"
        link.ready(problem=server.health.check(), state=_state(server), name=name)
        link.told.wait()
        if not link.stops:
            server.leave(link.closed, lambda: link.stops)
            link.stopping.tell()
        stopped = True
    finally:
        server.stop(args.grace_s if stopped else 0)
    return 0


def _with_config(args: argparse.Namespace) -> argparse.Namespace:
    """The options with those that feat.toml has for the ones that were not given."""
    config = config_of(args) if args.config is not None else None
    return args if config is None else with_settings(args, config.serve, "serve", configure, _SECTIONS)


def _supervise(args: argparse.Namespace, given: argparse.Namespace) -> int:
    """`given`: what workers are to go by, each with feat.toml as it is when it starts."""
    from online.listening import reserved
    from online.model_server import EmbeddedModelServer
    from online.model_server.shared import ModelKeeper
    from online.supervisor import Supervisor

    arguments = {n: str(v) if isinstance(v, Path) else v for n, v in vars(given).items() if n != "port_file"}
    arguments["workers"] = args.workers
    command = [sys.executable, "-m", "featdsl.cli.serve_worker"]
    workers = _positive(args.workers, "--workers")
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(reserved(args.host, args.port))
        except OSError as fault:
            raise InputError(
                f"cannot listen on {args.host}:{args.port}: {fault.strerror}",
                help="another program may have the port: take another one, or 0 for any free one",
            ) from fault

        def announce(first: Mapping[str, Any]) -> None:
            _announce(args, port, first["name"], f"{first['state']}, {workers} workers")

        if _model_server_url(args) == "embedded":
            keeper = ModelKeeper(EmbeddedModelServer(_model_options(args)))
            stack.callback(keeper.close)
            arguments["model_keeper"] = keeper.path
        try:
            return Supervisor(command, arguments, workers, port, args.grace_s, announce).run()
        finally:
            if args.port_file is not None:
                args.port_file.unlink(missing_ok=True)


def _log(args: argparse.Namespace, who: str = "") -> None:
    from online.observe.key_hash import use_secret
    from online.observe.logs import log_to_stderr

    log_to_stderr(args.log_format, who)
    if args.log_secret is not None:
        try:
            secret = Path(args.log_secret).read_bytes().strip()
        except OSError as fault:
            raise InputError(f"the secret does not read: {args.log_secret} ({fault.strerror})") from fault
        if not secret:
            raise InputError(f"the secret is empty: {args.log_secret}")
        use_secret(secret)


def _server(
    args: argparse.Namespace, bundle: Bundle, model: ModelSignature, store: str, registry: str
) -> ScoringServer:
    from online.server import ScoringServer, ServerOptions

    options = ServerOptions(
        host=args.host,
        port=args.port,
        threads=_positive(args.threads, "--threads"),
        waiting_calls=_positive(args.queue, "--queue"),
        longest_wait_s=_positive(args.queue_ms, "--queue-ms") / 1000,
        max_items=_positive(args.max_items, "--max-items"),
        defaults_when_store_down=args.when_store_down == "defaults",
        default_timeout_s=_positive(args.timeout_ms, "--timeout-ms") / 1000,
        store_timeout_s=_positive(args.store_timeout_ms, "--store-timeout-ms") / 1000,
        metrics_port=args.metrics_port,
        shares_port=args.workers is not None,
        connection_age_s=_connection_age_s(args),
        slow_ms=args.slow_ms,
        cache_bytes=_at_least(0, args.cache_mb, "--cache-mb") << 20,
        cache_ttl_s=_positive(args.cache_ttl_s, "--cache-ttl-s"),
        traces=args.traces,
        trace_ratio=_ratio(args.trace_ratio),
        label=args.follow,
    )
    models = _models(args, model)
    try:
        return ScoringServer(bundle, model, store, registry, models, options)
    except BaseException:
        models.close()
        raise


def _models(args: argparse.Namespace, model: ModelSignature) -> ModelServer:
    """The server of models: one of its own, a worker's share in the supervisor's, or one that runs elsewhere."""
    from online.model_server.opening import open_model_server

    keeper = getattr(args, "model_keeper", None)
    if keeper is not None:
        from online.model_server.shared import AttachedModelServer

        return AttachedModelServer(keeper)
    return open_model_server(_model_server_url(args), model, _model_options(args))


def _model_options(args: argparse.Namespace) -> ModelOptions:
    if args.model_item_parts and args.cache_mb == 0:
        raise InputError(
            "--model-item-parts keeps parts in the item cache, and there is none",
            help="leave out `--cache-mb 0`",
        )
    return model_options(args)


def _model_server_url(args: argparse.Namespace) -> str:
    config = config_of(args) if args.config is not None and args.model_server is None else None
    return args.model_server or (config.model_server if config is not None else None) or "embedded"


def _places(args: argparse.Namespace) -> tuple[str, str, str, str | None]:
    """Program, store, registry and model, from the options or else from feat.toml."""
    program, store, registry, model = args.bundle or args.program, args.store, args.registry, args.model
    if args.config is not None:
        config = config_of(args)
        if config is not None:
            program = program or str(config.program)
            store = store or config.store
            registry = registry or config.registry
            model = model or config.model
    _default(args, "cache_mb", _CACHE_MB)
    _default(args, "cache_ttl_s", _CACHE_TTL_S)
    for option, value in (("--bundle", program), ("--store", store), ("--registry", registry)):
        if not value:
            raise InputError(
                f"nothing says where to find it: {option}", help="`feat serve --help` has an example"
            )
    return program, store, registry, model


def _default(args: argparse.Namespace, name: str, value: int | None) -> None:
    if getattr(args, name) is None:
        setattr(args, name, value)


def _model(bundle: Bundle, name: str | None) -> ModelSignature:
    if name is not None:
        return bundle.model(name)
    if len(bundle.models) != 1:
        known = ", ".join(bundle.models)
        raise InputError(
            f"the program has {len(bundle.models)} models: {known}" if known else "the program has no model",
            help="name one with --model" if known else "add a `model` block, `feat check` helps",
        )
    return next(iter(bundle.models.values()))


def _state(server: ScoringServer) -> str:
    problem = server.health.check()
    serving = server.versions.serving
    return f"version {serving.version}" if serving is not None and not problem else f"not serving: {problem}"


def _announce(args: argparse.Namespace, port: int, name: str, state: str) -> None:
    if args.port_file is not None:
        write_text(args.port_file, f"{port}\n")
    with contextlib.suppress(BrokenPipeError):
        print(f"listening on {args.host}:{port} for {name}, {state}", flush=True)


def _connection_age_s(args: argparse.Namespace) -> float:
    if args.connection_age_s is None:
        return CONNECTION_AGE_S if args.workers is not None else 0.0
    if not 0 <= args.connection_age_s < math.inf:
        raise InputError(f"--connection-age-s must be 0 or more: {args.connection_age_s}")
    return float(args.connection_age_s)


def _ratio(value: float) -> float:
    if not 0 <= value <= 1:
        raise InputError(f"--trace-ratio must be from 0 to 1: {value}")
    return value


def _positive(value: int, option: str) -> int:
    return _at_least(1, value, option)


def _at_least(least: int, value: int, option: str) -> int:
    if value < least:
        raise InputError(f"{option} must be {least} or more: {value}")
    return value
