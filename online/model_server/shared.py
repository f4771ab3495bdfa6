"""One embedded model server for several scoring servers of a machine: a version is loaded once, whoever asks.

`ModelKeeper` stands beside an `EmbeddedModelServer` and lends its processes; an `AttachedModelServer` is a
`ModelServer` that borrows them. Tensors go straight to a version's process, as they do from its own server; the
keeper is asked only when a version comes, goes, or dies.

A request is a connection of its own, a JSON object there and one back:

{"op": "load", "holder", "directory"}  -> {"ok": true, "key", "pid", "address", "facts", "parts"}, or
                                          {"ok": false, "kind": "refused" or "down", "reason"}
{"op": "revive", "key", "pid"}         -> the same
{"op": "ping", "key"}                  -> {"ok": true}, or {"ok": false, …}
{"op": "unload", "holder", "key"}      -> {"ok": true}
{"op": "hold", "holder"}               -> no answer: when this connection ends, what the holder has is let go
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import socket
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_sync.saved_folder import MODEL_FILE
from model_sync.scratch import ScratchFolder
from model_sync.table_stack import TABLES
from online.model_server.compiling import COMPILE_TIMEOUT_S
from online.model_server.embedded import LOAD_TIMEOUT_S, LOADED_BYTES_A_S, EmbeddedModelServer
from online.model_server.own_files import bytes_of_layers
from online.model_server.worker_handle import Worker, WorkerProcess
from online.models import ItemParts, ModelRefused, ModelServerDown

log = logging.getLogger("featdsl.models")

LINGER_S = 10.0
"""A version that nobody holds any more stays so long: a scoring server that died comes back for it."""

_ANSWER_TIMEOUT_S = LOAD_TIMEOUT_S + COMPILE_TIMEOUT_S + 30.0
_MOST_BYTES = 1 << 20


@dataclass(slots=True)
class _Lent:
    """A version as the keeper's server knows it. `loading` is held while it is loaded."""

    key: int
    holders: set[str] = field(default_factory=set)
    loading: threading.Lock = field(default_factory=threading.Lock)


class ModelKeeper:
    """Lends the processes of `server`, which it closes at its own end. `path` is where it is asked."""

    def __init__(self, server: EmbeddedModelServer) -> None:
        self._server = server
        self._folder = ScratchFolder("keeper")
        self.path = f"{self._folder.path}/keeper.sock"
        self._lock = threading.Lock()
        self._lent: dict[str, _Lent] = {}
        """By what a version says of itself: a number may be given again to another."""
        self._keys = 0
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(128)
        threading.Thread(target=self._accept, name="keeper", daemon=True).start()

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self._folder.close()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            request = _received(connection)
            if request["op"] == "hold":
                connection.recv(1)
                self._let_go(request["holder"])
                return
            try:
                answer = {"ok": True, **self._done(request)}
            except ModelRefused as refused:
                answer = {"ok": False, "kind": "refused", "reason": refused.reason}
            except (ModelServerDown, OSError) as down:
                answer = {"ok": False, "kind": "down", "reason": str(down)}
            _send(connection, answer)

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["op"]:
            case "load":
                lent = self._load(request["holder"], Path(request["directory"]))
                return {"key": lent.key, **self._server.place(lent.key)}
            case "revive":
                return {"key": request["key"], **self._server.revived(request["key"], request["pid"])}
            case "ping":
                self._server.ping(request["key"])
            case "unload":
                self._let_go(request["holder"], request["key"])
        return {}

    def _load(self, holder: str, directory: Path) -> _Lent:
        content = _content(directory)
        with self._lock:
            lent = self._lent.get(content)
            if lent is None:
                self._keys += 1
                lent = self._lent[content] = _Lent(self._keys)
            lent.holders.add(holder)
        try:
            with lent.loading:
                self._server.load(lent.key, directory)
        except BaseException:
            with self._lock:
                lent.holders.discard(holder)
                if not lent.holders:
                    self._lent.pop(content, None)
            raise
        return lent

    def _let_go(self, holder: str, key: int | None = None) -> None:
        """Ends what a holder has, or one version of it; what nobody has is unloaded a while later."""
        with self._lock:
            for lent in self._lent.values():
                if key is None or lent.key == key:
                    lent.holders.discard(holder)
        sweeper = threading.Timer(LINGER_S if key is None else 0.0, self._unload_unheld)
        sweeper.daemon = True
        sweeper.start()

    def _unload_unheld(self) -> None:
        with self._lock:
            gone = [content for content, lent in self._lent.items() if not lent.holders]
            keys = [self._lent.pop(content).key for content in gone]
        for key in keys:
            if not self._closed:
                self._server.unload(key)


class AttachedModelServer(EmbeddedModelServer):
    """A `ModelServer` whose processes belong to the keeper at `path`."""

    def __init__(self, path: str) -> None:
        """Errors: `ModelServerDown` when the keeper is not there."""
        self._path = path
        self._holder = uuid.uuid4().hex
        self._keys: dict[int, int] = {}
        self._workers: dict[int, Worker] = {}
        self._lock = threading.Lock()
        try:
            self._hold = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._hold.connect(path)
            _send(self._hold, {"op": "hold", "holder": self._holder})
        except OSError as fault:
            raise ModelServerDown(f"the keeper of models does not answer: {fault}") from fault

    def load(self, version: int, directory: Path) -> None:
        with self._lock:
            if version in self._workers:
                return
        tables_s = bytes_of_layers(directory) / LOADED_BYTES_A_S
        answer = self._asked(op="load", within_s=tables_s, directory=str(directory.resolve()))
        with self._lock:
            self._keys[version] = answer["key"]
            self._workers[version] = _borrowed(answer)

    def unload(self, version: int) -> None:
        with self._lock:
            worker, key = self._workers.pop(version, None), self._keys.pop(version, None)
        if worker is not None:
            worker.disconnect()
            self._asked(op="unload", key=key)

    def ping(self, version: int) -> None:
        worker = self._worker(version)
        self._asked(op="ping", key=self._keys[version])
        if not worker.process.lives():
            self._revive(version, worker)

    def close(self) -> None:
        self._hold.close()
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.disconnect()

    def _revive(self, version: int, dead: Worker) -> Worker:
        with self._lock:
            worker, key = self._workers.get(version), self._keys.get(version)
        if worker is None:
            raise ModelServerDown(f"version {version} is not loaded")
        if worker is not dead:
            return worker
        fresh = _borrowed(self._asked(op="revive", key=key, pid=dead.process.pid))
        with self._lock:
            self._workers[version] = fresh
        dead.disconnect()
        return fresh

    def _asked(self, within_s: float = 0.0, **request: Any) -> dict[str, Any]:
        """`within_s`: how much longer than any version this one may take."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_ANSWER_TIMEOUT_S + within_s)
                connection.connect(self._path)
                _send(connection, {**request, "holder": self._holder})
                answer = _received(connection)
        except (OSError, ValueError) as fault:
            raise ModelServerDown(f"the keeper of models does not answer: {fault}") from fault
        if answer["ok"]:
            return answer
        raise (ModelRefused if answer["kind"] == "refused" else ModelServerDown)(answer["reason"])


def _borrowed(answer: dict[str, Any]) -> Worker:
    try:
        process = WorkerProcess(answer["pid"])
    except OSError as fault:
        raise ModelServerDown("the process of the version is gone") from fault
    parts = ItemParts.of_json(answer["parts"]) if answer.get("parts") else None
    return Worker(process, answer["address"], Path(), answer["key"], facts=answer["facts"], parts=parts)


def _content(directory: Path) -> str:
    """Says whether two folders hold the same version, each worker its own copy: by what the version is called, and what
    it says of its files, which are compared with that when they are loaded."""
    known = hashlib.sha256()
    try:
        known.update((directory / MODEL_FILE).read_bytes())
        if (directory / TABLES).exists():
            known.update((directory / TABLES).read_bytes())
    except OSError as fault:
        raise ModelRefused(f"its files do not read: {fault}") from fault
    return f"{directory.name};{known.hexdigest()}"


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _received(connection: socket.socket) -> dict[str, Any]:
    """Errors: `OSError`, `ValueError`."""
    data = bytearray()
    while not data.endswith(b"\n"):
        part = connection.recv(65_536)
        if not part or len(data) > _MOST_BYTES:
            raise ConnectionError("the connection was closed")
        data += part
    message: dict[str, Any] = json.loads(data)
    return message
