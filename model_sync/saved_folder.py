"""A saved model's folder, as `featdsl.torch.save_model` writes it, on its way into a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from featdsl.errors import InputError
from model_sync.chunk_files import compare
from model_sync.table_stack import LAYERS, TableEntry, read_tables
from model_sync.version import digest_of

MODEL_FILE = "model.json"
_HELP = "`featdsl.torch.save_model` writes such a folder"


class SavedFolder:
    """What the folder says of itself. Every content is compared with its checksum when it is read."""

    model: str
    fingerprint: str
    metrics: Mapping[str, float]
    tables: Mapping[str, TableEntry]

    def __init__(self, directory: Path) -> None:
        """Errors: `InputError` when it is not a saved model, or not whole."""
        self._directory = directory
        try:
            model = json.loads((directory / MODEL_FILE).read_text())
            self._files = {str(name): str(digest) for name, digest in model["files"].items()}
            self.model, self.fingerprint = str(model["model"]), str(model["fingerprint"])
            self.metrics = {str(name): float(value) for name, value in model.get("metrics", {}).items()}
            self.tables = read_tables(directory)
        except FileNotFoundError as fault:
            raise InputError(
                f"not a saved model: {directory}: there is no {MODEL_FILE}", help=_HELP
            ) from fault
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            raise InputError(
                f"not a saved model: {directory}: {MODEL_FILE}: {fault!r}", help=_HELP
            ) from fault
        for name in self._files:
            if "/" in name or not (directory / name).is_file():
                raise InputError(f"the saved model is not whole: {directory}: {name} is missing", help=_HELP)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """The files. Errors: `InputError`."""
        for name in sorted({MODEL_FILE, *self._files}):
            data = self._read(name)
            if self._files.get(name, digest_of(data)) != digest_of(data):
                raise self._not_whole(f"the checksum of {name} is wrong")
            yield name, data

    def layer_chunks(self) -> Iterator[bytes]:
        """The chunks of its tables. Errors: `InputError`."""
        for name, table in self.tables.items():
            for chunk in table.chunks:
                data = self._read(f"{LAYERS}/{chunk.sha256}")
                try:
                    compare(data, chunk)
                except ValueError as fault:
                    raise self._not_whole(f"a chunk of table {name} {fault}") from fault
                yield data

    def _read(self, name: str) -> bytes:
        try:
            return (self._directory / name).read_bytes()
        except OSError as fault:
            raise self._not_whole(f"{name} does not read: {fault.strerror}") from fault

    def _not_whole(self, why: str) -> InputError:
        return InputError(f"the saved model is not whole: {self._directory}: {why}", help="save it again")
