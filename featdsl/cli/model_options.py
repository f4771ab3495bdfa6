"""How the embedded model server runs a model: the options of the commands that start one."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from featdsl.errors import InputError

if TYPE_CHECKING:
    from online.model_server import ModelOptions


def add_model_options(parser: argparse.ArgumentParser, *, keeps_items: bool = False) -> None:
    """`keeps_items`: of a command that has an item cache."""
    parser.add_argument("--model-threads", type=int, default=1, help="torch threads (1)")
    parser.add_argument(
        "--model-batch-rows",
        metavar="N",
        type=int,
        default=4096,
        help="candidates of calls that wait together are run as one up to so many, 0: each call alone (4096)",
    )
    parser.add_argument(
        "--model-delay-ms",
        metavar="MS",
        type=float,
        default=0.0,
        help="how long a call waits for others to be run with, if others are about (0)",
    )
    parser.add_argument(
        "--model-device",
        metavar="DEVICE",
        default="cpu",
        help="cpu, cuda, cuda:N, or auto: a CUDA device where there is one (cpu)",
    )
    parser.add_argument(
        "--model-no-cuda-graphs",
        action="store_true",
        help="launch each operator by itself on a CUDA device, for exactly the candidates of a call",
    )
    parser.add_argument(
        "--model-tf32",
        action="store_true",
        help="round float32 products on a CUDA device to ten bits: faster; the log says what it costs",
    )
    parser.add_argument(
        "--model-dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of products with parameters; the log says what it costs in exactness (float32)",
    )
    parser.add_argument(
        "--model-split",
        action="store_true",
        help="compute the request's part of the model's first products once a call; the last bits may differ",
    )
    if keeps_items:
        parser.add_argument(
            "--model-item-parts",
            action="store_true",
            help="the same, and an item's own part once an item: kept in the item cache, for each version",
        )
    parser.add_argument(
        "--model-compile",
        action="store_true",
        help="compile the graph of a version before it serves: tens of seconds for a new graph, which needs g++",
    )
    parser.add_argument(
        "--model-tolerance",
        metavar="E",
        type=float,
        default=0.0,
        help="refuse a version that these bring a larger error of the largest answer (1e-5; tf32 0.005, bfloat16 0.02)",
    )


def model_options(args: argparse.Namespace) -> ModelOptions:
    """What these options say. Errors: `InputError`."""
    from online.model_server import ModelOptions
    from online.model_server.devices import check_device

    check_device(args.model_device)
    if args.model_threads < 1:
        raise InputError(f"--model-threads must be 1 or more: {args.model_threads}")
    if args.model_batch_rows < 0 or not 0 <= args.model_delay_ms < math.inf or not args.model_tolerance >= 0:
        raise InputError("--model-batch-rows, --model-delay-ms and --model-tolerance must be 0 or more")
    return ModelOptions(
        threads=args.model_threads,
        max_rows=args.model_batch_rows,
        max_delay_ms=args.model_delay_ms,
        dtype=args.model_dtype,
        split=args.model_split,
        item_parts=getattr(args, "model_item_parts", False),
        compile=args.model_compile,
        device=args.model_device,
        cuda_graphs=not args.model_no_cuda_graphs,
        tf32=args.model_tf32,
        tolerance=args.model_tolerance,
    )
