"""Program files written by hand, apart from the compiler, so that the engine's reader is tested on its own."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from featdsl.types import FLOAT_KINDS, Kind, Type, parse_type


@dataclass(frozen=True)
class Ref:
    """A register (`constant` 0) or a constant (1)."""

    constant: int
    index: int


@dataclass(frozen=True)
class Mapped:
    """An argument that is mapped over."""

    ref: Ref


def text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<I", len(encoded)) + encoded


def encode_value(value: Any, type: Type) -> bytes:
    if value is None:
        return b"\x01"
    if type.kind is Kind.BOOL:
        body = struct.pack("<B", value)
    elif type.kind is Kind.STRING:
        body = text(value)
    elif type.kind in FLOAT_KINDS:
        body = struct.pack("<d", value)
    elif type.kind is Kind.MAP:
        assert type.key is not None
        pairs = [encode_value(k, type.key) + encode_value(v, type.item) for k, v in value.items()]
        body = struct.pack("<I", len(pairs)) + b"".join(pairs)
    elif type.is_listlike:
        body = struct.pack("<I", len(value)) + b"".join(encode_value(v, type.item) for v in value)
    else:
        body = struct.pack("<q", value)
    return b"\x00" + body


@dataclass
class ProgramFile:
    """Add inputs first, then the rest; `bytes(file)` is the file."""

    inputs: list[bytes] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)
    instructions: list[bytes] = field(default_factory=list)
    outputs: list[bytes] = field(default_factory=list)

    def input(self, name: str, type: str) -> Ref:
        self.inputs.append(text(name) + text(type))
        return Ref(0, len(self.inputs) - 1)

    def constant(self, value: Any, type: str) -> Ref:
        self.constants.append(text(type) + encode_value(value, parse_type(type)))
        return Ref(1, len(self.constants) - 1)

    def call(
        self,
        op: str,
        type: str,
        args: Sequence[Ref | Mapped],
        attributes: Mapping[str, Ref] | None = None,
        drops_null: bool = False,
    ) -> Ref:
        mapped = any(isinstance(arg, Mapped) for arg in args)
        body = text(op) + text(type) + struct.pack("<BI", mapped | drops_null << 1, len(args))
        for arg in args:
            ref = arg.ref if isinstance(arg, Mapped) else arg
            body += struct.pack("<BIB", ref.constant, ref.index, isinstance(arg, Mapped))
        body += struct.pack("<I", len(attributes or {}))
        for name, ref in (attributes or {}).items():
            body += text(name) + struct.pack("<I", ref.index)
        self.instructions.append(body)
        return Ref(0, len(self.inputs) + len(self.instructions) - 1)

    def output(self, name: str, type: str, ref: Ref, finite: bool = False) -> None:
        self.outputs.append(text(name) + text(type) + struct.pack("<BIB", ref.constant, ref.index, finite))

    def __bytes__(self) -> bytes:
        parts = [b"FEATPRG1", struct.pack("<I", 1)]
        for section in (self.inputs, self.constants, self.instructions, self.outputs):
            parts += [struct.pack("<I", len(section)), *section]
        return b"".join(parts)
