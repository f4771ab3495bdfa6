"""One version of one model, answering over a Unix socket.

{"op": "ready"}                 -> {"ok": true} once it is loaded and warm, or {"ok": false, "reason"}
{"op": "predict"} with tensors  -> {"ok": true, "ran": [from, to]} with tensors, or {"ok": false, "reason"};
                                   "ran" on the clock `time.monotonic`, which all processes of a machine share
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import time
import traceback
from typing import Any

import torch

from featdsl.errors import InputError
from featdsl.torch.saved_model import SavedModel, load_model
from online.model_server import wire
from online.model_server.region import Arrays


def serve(path: str, directory: str, *, threads: int, alive: int) -> None:
    """Loads the version in `directory`, then answers on the socket at `path` until told to stop, or until the
    other end of the pipe `alive` closes."""
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    torch.set_num_threads(threads)
    listener = socket.socket(socket.AF_UNIX, wire.KIND)
    listener.bind(path)
    listener.listen(128)
    model, reason = _load(directory)
    while True:
        connection, _ = listener.accept()
        asked = wire.Answering(connection)
        threading.Thread(target=_answer_all, args=(asked, model, reason), daemon=True).start()


def _end_with(alive: int) -> None:
    watch = select.poll()
    watch.register(alive, 0)  # that the other end is closed is told unasked
    watch.poll()
    os._exit(0)


def _load(directory: str) -> tuple[SavedModel | None, str]:
    try:
        model = load_model(directory)
        model.warm()
    except InputError as fault:
        return None, fault.message.replace(f": {directory}", "")
    except Exception as fault:  # whatever a graph that is not ours may raise
        traceback.print_exc(file=sys.stderr)
        return None, f"the model does not run: {type(fault).__name__}: {fault}"
    return model, ""


def _answer_all(asked: wire.Answering, model: SavedModel | None, reason: str) -> None:
    with contextlib.suppress(OSError), contextlib.closing(asked):
        while True:
            request, tensors = asked.receive()
            answer, outputs = _answer(request, tensors, model, reason)
            asked.answer(answer, outputs)


def _answer(
    request: dict[str, Any], tensors: Arrays, model: SavedModel | None, reason: str
) -> tuple[dict[str, Any], Arrays]:
    if model is None:
        return {"ok": False, "reason": reason}, {}
    if request.get("op") == "ready":
        return {"ok": True}, {}
    started = time.monotonic()
    try:
        outputs = model.predict({n: torch.from_numpy(t) for n, t in tensors.items()})
        ran = [started, time.monotonic()]
        return {"ok": True, "ran": ran}, {n: t.numpy() for n, t in outputs.items()}
    except Exception as fault:  # a call that the model cannot answer must not end the worker
        return {"ok": False, "reason": f"{type(fault).__name__}: {fault}"}, {}
