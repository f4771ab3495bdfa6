"""What is fuzzed from Python: any bytes in; an error that is no `InputError` of ours, or a crash, is a find."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from compiler.archive import dump, read_archive
from compiler.bundle import Bundle, compile_program
from compiler.bundle_files import parts_of
from compiler.data import BadData
from compiler.fingerprint import fingerprint
from compiler.native.program import stage_programs
from engine._engine import EngineError, Program, RowReader
from featdsl.check import check
from featdsl.errors import InputError
from featdsl.rendering import as_text


def check_file(data: bytes) -> None:
    """A `.feat` file: it is checked, its mistakes are told, and what has none compiles and is taken by the engine."""

    def read(path: str) -> bytes:
        if path == "fuzz.feat":
            return data
        if path.endswith(".txt"):
            return b"a\nb\n7\n"
        raise FileNotFoundError(path)

    result = check("fuzz.feat", read=read)
    as_text(result.diagnostics)
    assert (result.program is None) == any(d.severity == "error" for d in result.diagnostics)
    if result.program is not None:
        try:
            bundle = compile_program(result.program)
        except InputError:
            return
        for set_name in bundle.sets:
            stage_programs(bundle, set_name)


def bundle_files(data: bytes) -> None:
    """A bundle: as a zip, or its files as one JSON object (`packed` writes it)."""
    if data[:2] == b"PK":
        handle, path = tempfile.mkstemp(suffix=".featb")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        try:
            read_archive(path)
        except (InputError, BadData):
            return
        finally:
            Path(path).unlink()
        return
    try:
        files = {
            name: dump(content) if name.endswith(".json") else bytes.fromhex(content)
            for name, content in json.loads(data).items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError):
        return
    try:
        bundle = Bundle(**parts_of(files), fingerprint="")
        fingerprint(bundle.schema, bundle.models.values(), bundle.module)
        for set_name in bundle.sets:
            stage_programs(bundle, set_name)
    except (InputError, BadData):
        return


def packed(files: Mapping[str, bytes]) -> bytes:
    return json.dumps(
        {n: json.loads(content) if n.endswith(".json") else content.hex() for n, content in files.items()}
    ).encode()


def program_file(data: bytes) -> None:
    """A native program, as `engine/fuzz/program_fuzzer.cc` reads it; not run."""
    try:
        Program(data)
    except EngineError:
        return


def row_bytes(data: bytes) -> None:
    """Declarations, a decode plan and a row, as `engine/fuzz/rows_fuzzer.cc` reads them."""
    declared, rest = _piece(data)
    plan, body = _piece(rest)
    fields = []
    for line in declared.split(b"\n"):
        parts = line.decode("utf-8", "replace").split("|")
        if len(parts) == 3 and not any(c.isdigit() for c in parts[1].replace("64", "").replace("32", "")):
            fields.append((parts[0], parts[1], None, None, parts[2]))
    try:
        reader = RowReader("s", fields)
        reader.add_schema(struct.pack("<Q", 1), plan)
        row = b"\xc3\x01" + struct.pack("<Q", 1) + body
        reader.read_avro([row, None, row[: len(row) // 2]])
        reader.read_avro_lists([row, None, row], [2, 0, 1])
    except EngineError:
        return


def _piece(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:2], "little")
    return data[2 : 2 + size], data[2 + size :]


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "check": check_file,
    "bundle": bundle_files,
    "program": program_file,
    "rows": row_bytes,
}
