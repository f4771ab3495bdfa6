"""Exporters of the shop's versions to a server of `remote.py`, each on a thread of its own."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from online.export.control import RELOAD
from online.export.exporter import Exporter
from online.export.opening import ExportOptions, open_exporter
from online.model_server.hosts import Host
from online.proto.tensorflow_serving_pb2 import ModelServerConfig, ReloadConfigRequest
from tests.online.remote import HERE, SHOP, RemoteServer, TensorFlowServer
from tests.online.shop import bundle, publish


class Shop:
    """A registry of the shop's versions, and what a server is given of them."""

    def __init__(self, folder: Path, server: RemoteServer) -> None:
        self.folder = folder
        self.server = server
        self.registry = folder / "registry"
        self.url = f"dir://{self.registry}"

    def publish(self, weight: object) -> int:
        return publish(self.registry, self.folder / "made", weight, program=bundle())

    def options(self, **options: Any) -> ExportOptions:
        if isinstance(self.server, TensorFlowServer):
            convert = (sys.executable, str(HERE / "shop_converter.py"), str(self.server.stock))
            return replace(ExportOptions(convert=convert), **options)
        return replace(ExportOptions(runs=SHOP / "model.py"), **options)

    def versions(self) -> list[int]:
        """The numbers of the folders that the server reads."""
        there = (self.server.models / "shop").iterdir()
        return sorted(int(path.name) for path in there if path.name.isdecimal())

    def everything(self) -> str:
        """A configuration of TensorFlow Serving, by which all versions of both models serve."""
        models = [(name, self.server.models / name) for name in ("shop", "wrong")]
        entries = [
            f'config {{ name: "{name}" base_path: "{base}" model_version_policy {{ all {{}} }} }}'
            for name, base in models
        ]
        return f"model_config_list {{ {' '.join(entries)} }}"

    def reset(self) -> None:
        """Has TensorFlow's server serve all that is there, as it did at first."""
        config = text_format.Parse(self.everything(), ModelServerConfig())
        with contextlib.closing(Host(self.server.address)) as host:
            host.ask(RELOAD, ReloadConfigRequest(config=config).SerializeToString(), 30.0)

    @contextmanager
    def exporter(self, to: str = "", **options: Any) -> Iterator[Exporter]:
        made = open_exporter(self.url, to or self.server.url, self.server.models, self.options(**options))
        thread = threading.Thread(target=made.run, name="exporter")
        thread.start()
        try:
            yield made
        finally:
            made.stop()
            thread.join()
            made.close()
