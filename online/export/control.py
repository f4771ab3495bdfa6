"""How a model server is told which versions to serve."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from google.protobuf import text_format

from featdsl.errors import InputError
from online.model_server.hosts import Host
from online.model_server.triton import load_on
from online.proto.tensorflow_serving_pb2 import (
    FileSystemStoragePathSourceConfig,
    ModelConfig,
    ModelServerConfig,
    ReloadConfigRequest,
    ReloadConfigResponse,
)

RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
_SPECIFIC = FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific


class NotShown(Exception):
    """A host does not take what it was told; the text says why."""


class Control(Protocol):
    """Of one kind of model server."""

    names_versions: bool
    """Whether the host is told the versions, so that one goes before its folder does; or reads the folders."""

    def show(self, host: Host, versions: Sequence[int], labelled: int | None, timeout_s: float) -> None:
        """Has a host serve these versions and no others. `labelled` gets the label, where there is one; None leaves
        it where it is. Versions that it serves already go on meanwhile. It may return before they are ready. Errors:
        `NotShown`, `grpc.RpcError`."""


class LooksByItself:
    """The `Control` of a server that nobody tells anything: it looks for folders every now and then."""

    names_versions = False

    def show(self, host: Host, versions: Sequence[int], labelled: int | None, timeout_s: float) -> None:
        pass


class TritonControl:
    """Loading over gRPC, with explicit model control; a Triton that polls its repository is left to that."""

    names_versions = False

    def __init__(self, name: str) -> None:
        self._name = name

    def show(self, host: Host, versions: Sequence[int], labelled: int | None, timeout_s: float) -> None:
        if versions:  # the last one stays until it has a successor
            load_on(host, self._name, timeout_s)


class ReloadedConfig:
    """The configuration file of TensorFlow Serving, of which it reads all when it starts and is told all by
    ReloadConfig: what it says of other models stays as it is."""

    names_versions = True

    def __init__(self, file: Path, name: str, folder: Path, label: str) -> None:
        """`folder`: of the model, for an entry that is not there yet. Errors: `InputError` when the file does not
        read."""
        self._file = file
        self._name = name
        self._folder = folder
        self._label = label
        self._read()

    def show(self, host: Host, versions: Sequence[int], labelled: int | None, timeout_s: float) -> None:
        try:
            config = self._with(versions, labelled)
        except (InputError, OSError) as fault:
            raise NotShown(str(fault)) from fault
        request = ReloadConfigRequest(config=config)
        data = host.ask(RELOAD, request.SerializeToString(), timeout_s)
        status = ReloadConfigResponse.FromString(data).status
        if status.error_code:
            raise NotShown(status.error_message or f"ReloadConfig fails with {status.error_code}")

    def _read(self) -> ModelServerConfig:
        try:
            text = self._file.read_text() if self._file.exists() else ""
            read: ModelServerConfig = text_format.Parse(text, ModelServerConfig())
        except (OSError, UnicodeDecodeError, text_format.ParseError) as fault:
            raise InputError(
                f"the configuration of TensorFlow Serving does not read: {self._file}: {fault}",
                help="it is what `--model_config_file` gives to the server, a `model_config_list`",
            ) from fault
        return read

    def _with(self, versions: Sequence[int], labelled: int | None) -> ModelServerConfig:
        """Of the file, and in it from then on. Errors: `InputError`, `OSError`."""
        config = self._read()
        before = config.SerializeToString(deterministic=True)
        entries = config.model_config_list.config
        entry: ModelConfig | None = next((one for one in entries if one.name == self._name), None)
        if entry is None:
            entry = entries.add(name=self._name, base_path=str(self._folder), model_platform="tensorflow")
        entry.model_version_policy.specific.CopyFrom(_SPECIFIC(versions=versions))
        if self._label and labelled is not None:
            entry.version_labels[self._label] = labelled
        for label in [label for label, version in entry.version_labels.items() if version not in versions]:
            del entry.version_labels[label]  # the server takes no configuration with a label of nothing
        if config.SerializeToString(deterministic=True) != before:
            aside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            aside.write_text(text_format.MessageToString(config))
            aside.replace(self._file)
        return config
