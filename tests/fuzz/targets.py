"""What is fuzzed from Python: any bytes in; an error that is no `InputError` of ours, or a crash, is a find."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from compiler.archive import dump, read_archive
from compiler.bundle import Bundle, compile_program
from compiler.bundle_files import parts_of
from compiler.data import BadData
from compiler.fingerprint import fingerprint
from compiler.native.program import stage_programs
from compiler.native.rows import run_rows
from engine._engine import EngineError, Program, RowReader
from featdsl.check import check
from featdsl.errors import InputError
from featdsl.program import Schema
from featdsl.rendering import as_text
from featdsl.types import Kind


def check_file(data: bytes) -> None:
    """A `.feat` file: it is checked, its mistakes are told, and what has none compiles and is taken by the engine."""

    def read(path: str) -> bytes:
        if path == "fuzz.feat":
            return data
        if path.endswith(".txt"):
            return b"a\nb\n7\n"
        raise FileNotFoundError(path)

    _check_and_load("fuzz.feat", read)


def _check_and_load(path: str, read: Callable[[str], bytes], *, nullable_features: bool = False) -> None:
    result = check(path, read=read, nullable_features=nullable_features)
    as_text(result.diagnostics)
    assert (result.program is None) == any(d.severity == "error" for d in result.diagnostics)
    if result.program is not None:
        try:
            bundle = compile_program(result.program)
        except InputError:
            return
        for set_name in bundle.sets:
            stage_programs(bundle, set_name)


LEARNING = """
namespace fuzz
entity user: int64 per request
source p of user { n: int64 = 0  x: float64 = 0.0  s: string = ""  ns: list<int64>  words: list<string> }
feature scaled = zscore(p.x) + minmax(p.n) + (fit median(p.x)) + (fit quantile(p.n, 0.9)) + (fit std(p.ns))
feature parts = quantile_bucketize(p.x, 4) + quantile_bucketize(zscore(p.n), 3)
feature edges = bucketize(p.x, fit quantiles(p.x, 3))
feature often = frequency(p.s)
feature liked = target_mean(p.s, label: "liked") + target_mean(p.n, label: "liked", folds: 2)
feature ids = lookup(p.s, fit vocab()) + lookup(p.n, fit vocab(min_count: 2)) + hash(p.s, 100)
feature texts = bm25(p.words, p.words) + sum(tf_idf(p.words)) + tf_idf_cosine(p.words, p.words)
model m { x: float32 = liked  label liked: float32  output o: float32 }
"""
"""Learns something of every kind."""


def state_file(data: bytes) -> None:
    """A fitted state, as JSON: its program is checked with it under a checksum that is right, and with the bytes as
    they are; what is no mistake compiles."""
    given = [data]
    with suppress(ValueError, RecursionError):
        content = json.loads(data)
        if isinstance(content, dict):
            rest = json.dumps(content, ensure_ascii=False)[1:].encode("utf-8", "surrogatepass")
            digest = hashlib.sha256(rest).hexdigest().encode()
            given.append(b'{\n"format": "featdsl state 1",\n"sha256": "%s",\n%s' % (digest, rest))
    for state in given:
        files = {"fuzz.feat": LEARNING.encode(), "fuzz.state.json": state}
        _check_and_load("fuzz.feat", files.__getitem__, nullable_features=True)


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
            run_rows(bundle, set_name, rows_of_nobody(bundle.schema))
    except (InputError, BadData):
        return


def rows_of_nobody(schema: Schema) -> pa.Table:
    """Two joined rows, in which all but the keys is missing."""
    keys = {Kind.STRING: pa.array(["a", "é"]), Kind.INT64: pa.array([1, -(2**63)])}
    return pa.table({"": pa.nulls(2)} | {e.name: keys.get(e.type.kind, pa.nulls(2)) for e in schema.entities})


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
    "state": state_file,
    "bundle": bundle_files,
    "program": program_file,
    "rows": row_bytes,
}
