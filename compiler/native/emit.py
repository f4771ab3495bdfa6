"""Emission: a stage becomes a program file, which `engine/program.cc` reads.

Little-endian. `str` is a u32 length in bytes and UTF-8.

    magic `FEATPRG1`, u32 version (1)
    u32 n  inputs        {str name, str type}
    u32 n  constants     {str type, value}
    u32 n  instructions  {str op, str type, u8 flags (1 mapped, 2 drops null),
                          u32 n args {u8 where (0 register, 1 constant), u32 index,
                                        u8 lists deep that it is mapped},
                          u32 n attributes {str name, u32 constant}}
    u32 n  outputs       {str name, str type, u8 where, u32 index, u8 finite}

Registers: the inputs, then one an instruction. A value is a u8 (1: null, and nothing follows), then a bool as
u8, an integer as i64, a float as f64, a string as str, a list or vector as u32 n and its values, a map as
u32 n and key, value pairs. A vocab is a list; a zone is two lists, `<name>_starts` and `<name>_offsets`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from compiler.ir import Node, exact
from compiler.passes.split import Stage
from featdsl.operators import OPERATORS
from featdsl.operators.declare import Pattern
from featdsl.resources import Vocab, Zone
from featdsl.typed import Constant
from featdsl.types import FLOAT_KINDS, INT64, NULL, SCALARS, STRING, Kind, Type, list_of

MAGIC = b"FEATPRG1"
VERSION = 1

_REGISTER, _CONSTANT = 0, 1


def emit(stage: Stage) -> bytes:
    """The program file of a stage."""
    return _Emitter(stage).emit()


class _Emitter:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._constants: list[bytes] = []
        self._constant_index: dict[Any, int] = {}
        self._place: dict[int, tuple[int, int]] = {}

    def emit(self) -> bytes:
        stage = self._stage
        for register, (_, node) in enumerate(stage.inputs):
            self._place[node.id] = (_REGISTER, register)
        inputs = [_text(name) + _text(str(node.type)) for name, node in stage.inputs]
        instructions = list(self._instructions(len(inputs)))
        outputs = [
            _text(output.name)
            + _text(str(output.type))
            + struct.pack("<BIB", *self._place[output.node.id], output.finite)
            for output in stage.outputs
        ]
        head = MAGIC + struct.pack("<I", VERSION)
        return head + b"".join(_counted(part) for part in (inputs, self._constants, instructions, outputs))

    def _instructions(self, register: int) -> Iterator[bytes]:
        for node in self._stage.nodes:
            if node.op == "const":
                self._place[node.id] = (_CONSTANT, self._constant(node.type, node.attribute("value")))
            else:
                yield self._instruction(node)
                self._place[node.id] = (_REGISTER, register)
                register += 1

    def _instruction(self, node: Node) -> bytes:
        mapped = node.mapped or (0,) * len(node.args)
        flags = any(mapped) | node.drops_null << 1
        args = [
            struct.pack("<BIB", *self._place[arg.id], depth)
            for arg, depth in zip(node.args, mapped, strict=True)
        ]
        attributes = [
            _text(name) + struct.pack("<I", self._constant(type, value))
            for name, type, value in attribute_constants(node)
        ]
        head = _text(node.op) + _text(str(node.type)) + struct.pack("<B", flags)
        return head + _counted(args) + _counted(attributes)

    def _constant(self, type: Type, value: Constant) -> int:
        key = (type, value if isinstance(value, Vocab) else exact(value))
        index = self._constant_index.get(key)
        if index is None:
            index = self._constant_index[key] = len(self._constants)
            entries = value.entries if isinstance(value, Vocab) else value
            self._constants.append(_text(str(type)) + encode_value(type, entries))
        return index


def attribute_constants(node: Node) -> Iterator[tuple[str, Type, Constant]]:
    """A node's attributes as the engine takes them: names, types and values."""
    if not node.attributes:
        return
    parameters = {p.name: p for p in OPERATORS[node.op].signatures[node.overload].parameters}
    for name, value in node.attributes:
        if isinstance(value, Vocab):
            yield name, list_of(_entry_type(value)), value
        elif isinstance(value, Zone):
            yield f"{name}_starts", list_of(INT64), value.starts
            yield f"{name}_offsets", list_of(INT64), value.offsets
        else:
            yield name, _attribute_type(parameters[name].pattern, value), value


def _entry_type(vocab: Vocab) -> Type:
    """Without entries it is of texts and of integers alike."""
    if not vocab.entries:
        return NULL
    return STRING if isinstance(vocab.entries[0], str) else INT64


def _attribute_type(pattern: Pattern, value: Constant) -> Type:
    if pattern.name in SCALARS:
        return SCALARS[pattern.name].optional(value is None)
    if pattern.name in ("list", "vector"):
        assert isinstance(value, tuple)
        inner = [_attribute_type(pattern.arguments[0], element) for element in value]
        return list_of(inner[0] if inner else SCALARS.get(pattern.arguments[0].name, INT64))
    kinds = {bool: Kind.BOOL, int: Kind.INT64, float: Kind.FLOAT64, str: Kind.STRING}
    return Type(kinds[type(value)])


def encode_value(type: Type, value: Any) -> bytes:
    """A value as the program file holds it."""
    if value is None:
        return b"\x01"
    if type.kind is Kind.MAP:
        assert type.key is not None
        pairs = [encode_value(type.key, k) + encode_value(type.item, v) for k, v in value.items()]
        return b"\0" + _counted(pairs)
    if type.is_listlike:
        return b"\0" + _counted([encode_value(type.item, element) for element in value])
    if type.kind is Kind.BOOL:
        return struct.pack("<BB", 0, value)
    if type.kind is Kind.STRING:
        return b"\0" + _text(value)
    return struct.pack("<Bd" if type.kind in FLOAT_KINDS else "<Bq", 0, value)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def _counted(parts: list[bytes]) -> bytes:
    return struct.pack("<I", len(parts)) + b"".join(parts)
