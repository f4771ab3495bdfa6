"""One version of one model, answering over a Unix socket that any number of processes may connect to.

{"op": "ready"}                       -> {"ok": true, "facts", "parts", "counts"} once it is loaded and warm,
                                         or {"ok": false, "reason"}
{"op": "predict", "by"} with tensors  -> {"ok": true, "ran": [from, to]} with tensors, {"ok": false, "reason"}, or
                                         {"ok": false, "late": true} when it is past `by`
{"op": "make parts", "of", "by"}      -> the same, of the inputs of items
{"op": "predict with parts", …}       -> the same, of the parts of items and the inputs beside them

`by` and "ran" are on the clock `time.monotonic`, which all processes of a machine share; `of` is the identity of parts.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import traceback
from pathlib import Path

import torch

from featdsl.errors import InputError
from featdsl.torch.saved_model import load_model
from online.model_server import wire
from online.model_server.dispatcher import Dispatcher
from online.model_server.loaded import LoadedVersion
from online.model_server.options import ModelOptions


def serve(path: str, directory: str, options: ModelOptions, *, alive: int) -> None:
    """Loads the version in `directory`, then answers on the socket at `path` until the other end of the pipe
    `alive` closes."""
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    torch.set_num_threads(options.threads)
    listener = socket.socket(socket.AF_UNIX, wire.KIND)
    listener.bind(path)
    listener.listen(128)
    version, reason = _load(directory, options)
    Dispatcher(listener, version, reason, options).serve(options.runs_at_once)


def _end_with(alive: int) -> None:
    watch = select.poll()
    watch.register(alive, 0)  # that the other end is closed is told unasked
    watch.poll()
    os._exit(0)


def _load(directory: str, options: ModelOptions) -> tuple[LoadedVersion | None, str]:
    try:
        model = load_model(directory)
        model.warm()
        return LoadedVersion(model, options, Path(directory)), ""
    except InputError as fault:
        return None, fault.message.replace(f": {directory}", "")
    except Exception as fault:  # whatever a graph that is not ours may raise
        traceback.print_exc(file=sys.stderr)
        return None, f"the model does not run: {type(fault).__name__}: {fault}"
