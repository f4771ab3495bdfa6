"""Versions of a model, answering over a Unix socket that any number of processes may connect to: one, or all of those
that have a graph in common and differ in parameters and in tables beside it.

Each request names a `version` by its handle.

{"op": "ready"}                       -> {"ok": true, "facts", "parts", "counts"} once it is loaded and warm,
                                         or {"ok": false, "reason"}
{"op": "load", "directory",           -> the same, when that is done; calls go on meanwhile, and before it if it
 "gives_way"}                            gives way to them
{"op": "unload"}                      -> {"ok": true}; calls that have begun end on it
{"op": "predict"} with tensors        -> {"ok": true} with tensors, {"ok": false, "reason"},
                                         {"ok": false, "late": true} when it is past its deadline, or
                                         {"ok": false, "gone": true} when the version is not here
{"op": "make parts", "of"}            -> the same, of the inputs of items
{"op": "predict with parts", "of"}    -> the same, of the parts of items and the inputs beside them

`of` is the identity of parts.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Sequence

import torch

from online.collecting import spare_what_is_there
from online.model_server import wire
from online.model_server.dispatcher import Dispatcher
from online.model_server.options import ModelOptions
from online.model_server.residents import Residents


def serve(path: str, versions: Sequence[tuple[int, str]], options: ModelOptions, *, alive: int) -> None:
    """Loads the versions, each a handle and a folder, then answers on the socket at `path` until the other end of the
    pipe `alive` closes."""
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    torch.set_num_threads(options.threads)
    listener = socket.socket(socket.AF_UNIX, wire.KIND)
    listener.bind(path)
    listener.listen(128)
    spare_what_is_there()
    residents = Residents(options)
    for handle, directory in versions:
        residents.load(handle, directory)
    Dispatcher(listener, residents, options).serve(options.runs_at_once)


def _end_with(alive: int) -> None:
    watch = select.poll()
    watch.register(alive, 0)  # that the other end is closed is told unasked
    watch.poll()
    os._exit(0)
