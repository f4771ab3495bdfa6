"""Types as they are written, and literals that take a declared type."""

from __future__ import annotations

import math
import struct
from typing import Any

from featdsl.check.suggest import Suggestions
from featdsl.diagnostics import Diagnostics
from featdsl.source_file import Span
from featdsl.syntax import tree
from featdsl.types import FLOAT_KINDS, SCALARS, Kind, Type, list_of, map_of, vector_of

LARGEST_VECTOR = 1_000_000
DEEPEST = 8
"""Levels of lists and maps in a declared type."""

INT32 = range(-(1 << 31), 1 << 31)
INT64 = range(-(1 << 63), 1 << 63)

_FORMS = {"list": "list<string>", "vector": "vector<float32, 8>", "map": "map<string, float64>"}
_ELSEWHERE = {
    "int": "int64", "integer": "int64", "long": "int64", "bigint": "int64", "short": "int32", "uint64": "int64",
    "float": "float64", "double": "float64", "number": "float64", "decimal": "float64", "real": "float64",
    "str": "string", "text": "string", "varchar": "string", "boolean": "bool",
    "datetime": "timestamp", "time": "timestamp", "date": "timestamp",
    "optional": "int64?", "nullable": "int64?", "set": "list<…>", "bytes": "string", "char": "string",
    "array": "list<…>", "dict": "map<…, …>", "tensor": "vector<…, n>", "embedding": "vector<float32, n>",
}  # fmt: skip

NO_LITERAL: Any = object()


class DeclaredTypes:
    """Turns written types into types. None means that the mistake was reported."""

    def __init__(self, diagnostics: Diagnostics, suggestions: Suggestions) -> None:
        self._diagnostics = diagnostics
        self._suggestions = suggestions

    def read(self, written: tree.TypeName, *, inside: bool = False) -> Type | None:
        """The type; `inside` another, it may not be nullable."""
        found = self._bare(written)
        if found is None:
            return None
        if written.nullable and inside:
            self._diagnostics.error(
                "E0211",
                "elements are never null",
                written.span,
                help="leave the `?` out: null elements are dropped when a row is read",
            )
            return None
        if not inside and _depth(found) > DEEPEST:
            self._diagnostics.error(
                "E0211", f"the type nests deeper than {DEEPEST} levels: `{found}`", written.span
            )
            return None
        return found.optional(written.nullable)

    def _bare(self, written: tree.TypeName) -> Type | None:
        name = written.name
        wanted = {"list": 1, "vector": 1, "map": 2}.get(name, 0)
        if name not in SCALARS and not wanted:
            if name == "sequence":
                help = "a sequence stands in a source: `clicks: sequence[50] { item_id: string }`"
            else:
                other = _ELSEWHERE.get(name.lower())
                names = [*SCALARS, *_FORMS]
                help = f"did you mean `{other}`?" if other else self._suggestions.help(name, names)
            self._diagnostics.error(
                "E0211",
                f"there is no such type: `{name}`",
                written.span,
                help=help or "the types are " + ", ".join(f"`{n}`" for n in [*SCALARS, *_FORMS]),
            )
            return None
        if len(written.arguments) != wanted or (written.size is not None) is not (name == "vector"):
            self._diagnostics.error(
                "E0211",
                f"the type is not complete: `{name}`" if wanted else f"the type has no parts: `{name}`",
                written.span,
                help=f"write `{_FORMS[name]}`" if wanted else f"write `{name}`",
            )
            return None
        if not wanted:
            return SCALARS[name]
        inner = [self.read(a, inside=True) for a in written.arguments]
        if any(i is None for i in inner):
            return None
        types = [i for i in inner if i is not None]
        if name == "list":
            return list_of(types[0])
        if name == "map":
            return self._map(written, types[0], types[1])
        return self._vector(written, types[0])

    def _map(self, written: tree.TypeName, key: Type, value: Type) -> Type | None:
        if key.kind not in (Kind.STRING, Kind.INT64):
            self._diagnostics.error(
                "E0412", f"the key of a map is `string` or `int64`, not `{key}`", written.arguments[0].span
            )
            return None
        return map_of(key, value)

    def _vector(self, written: tree.TypeName, element: Type) -> Type | None:
        size = written.size or 0
        if not element.is_scalar:
            self._diagnostics.error(
                "E0413", f"the element of a vector is a scalar, not `{element}`", written.arguments[0].span
            )
            return None
        if not 1 <= size <= LARGEST_VECTOR:
            self._diagnostics.error(
                "E0413", f"the size of a vector is 1 to {LARGEST_VECTOR:_}, found {size}", written.span
            )
            return None
        return vector_of(element, size)


def _depth(type: Type) -> int:
    return 0 if type.element is None else 1 + _depth(type.element)


def literal_value(expression: tree.Expr) -> Any:
    """The value of a literal, a minus sign before a number included; NO_LITERAL for anything else."""
    if isinstance(expression, tree.Literal):
        return expression.value
    if isinstance(expression, tree.Unary) and expression.operator == "-":
        operand = expression.operand
        if isinstance(operand, tree.Literal) and _is_number(operand.value):
            assert isinstance(operand.value, (int, float))
            return -operand.value
    return NO_LITERAL


def fitted(value: Any, wanted: Type) -> Any:
    """A literal as a value of the scalar type that is declared where it stands; NO_LITERAL if it does
    not fit. An integer is microseconds where a timestamp is wanted."""
    kind = wanted.kind
    if value is None:
        return None if wanted.nullable else NO_LITERAL
    if kind is Kind.BOOL:
        return value if isinstance(value, bool) else NO_LITERAL
    if kind is Kind.STRING:
        return value if isinstance(value, str) else NO_LITERAL
    if not _is_number(value):
        return NO_LITERAL
    if kind in FLOAT_KINDS:
        number = float(value)
        return float32(number) if kind is Kind.FLOAT32 else number
    if not isinstance(value, int):
        return NO_LITERAL
    if kind is Kind.INT32:
        return value if value in INT32 else NO_LITERAL
    return value if kind in (Kind.INT64, Kind.TIMESTAMP) and value in INT64 else NO_LITERAL


def float32(value: float) -> Any:
    """The nearest float32; NO_LITERAL if that is infinite."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return NO_LITERAL
    return rounded if math.isfinite(rounded) else NO_LITERAL


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def misfit(value: Any, wanted: Type, span: Span, diagnostics: Diagnostics) -> None:
    """Reports a literal that does not fit the type that is declared where it stands."""
    bare = wanted.optional(False)
    help = ""
    if value is None:
        help = f"a type that may be null is written `{bare}?`"
    elif isinstance(value, float) and wanted.kind in (Kind.INT32, Kind.INT64) and value.is_integer():
        help = f"write `{int(value)}`"
    elif isinstance(value, int) and wanted.kind is Kind.INT32 and not isinstance(value, bool):
        help = "declare it as an `int64`"
    elif isinstance(value, float) and wanted.kind in (Kind.INT32, Kind.INT64):
        help = "write a whole number, or declare it as a `float64`"
    elif isinstance(value, int) and wanted.kind is Kind.BOOL and not isinstance(value, bool):
        help = "write `true`" if value else "write `false`"
    elif wanted.kind is Kind.FLOAT32 and _is_number(value):
        help = "the largest float32 is about 3.4e38; declare it as a `float64`"
    elif wanted.kind is Kind.TIMESTAMP:
        help = "a timestamp is written in microseconds since 1970: `0`"
    elif isinstance(value, str) and wanted.kind is not Kind.STRING:
        help = "declare it as a `string`"
    elif wanted.kind is Kind.STRING and not isinstance(value, str):
        help = f'write `"{shown(value)}"`'
    diagnostics.error(
        "E0201",
        f"the literal does not fit the declared type `{bare}`: {shown(value)}",
        span,
        label=f"expected `{bare}`",
        help=help,
    )


def shown(value: Any) -> str:
    """A literal as it is written in the language."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        short = value if len(value) <= 40 else value[:37] + "..."
        return '"' + short.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return repr(value)
