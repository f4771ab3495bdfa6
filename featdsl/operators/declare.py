"""How an operator is declared.

    @operator("clip(x: int64, low: int64, high: int64) -> int64",
              "clip(x: float64, low: float64, high: float64) -> float64",
              examples={"clip(7, 0, 5)": 5})
    def clip(x, low, high):
        \"\"\"The value, moved to the nearer end if it is outside `low` to `high`. …\"\"\"
        return low if x < low else high if x > high else x

The function is the reference: slow, plain, on Python values (None, bool, int, float, str, list,
dict; a timestamp is int microseconds, an id a signed int). Its docstring is the documentation.

Signature text, one overload a string:
  `name: type`          an argument. Null spreads: the reference never sees None here, and a nullable
                        argument makes the result nullable.
  `name: type?`         the operator takes null itself (None reaches the reference); it spreads nothing.
  `name: const type`    must be a constant; it becomes an attribute of the node (`= value`: its default).
                        `const vocab` and `const zone` are `featdsl.resources` objects.
  `name: type...`       (last) one or more; the reference gets them as *args.
  `name: hashed id`     an argument that is not an id is first passed through `hash` (null stays null).
                        `hashed list<id>`: so are a list's elements; a single value then passes through
                        `as_list` (null gives an empty list).
  `name: shown string`  a bool, a number or an id is first passed through `string`, or what `shown_by` says.
  `S`                   any scalar type, the same at each place; `T` any type. Arguments at S or T are
                        widened to their common type.
  `-> type?`            null is possible on non-null input.
  `vector<S, n>`        `n` is the same size wherever it stands, or the value of the const parameter n; a
                        number is itself.
  `-> T!`               nullable only if an argument at a `T!`-marked parameter is: `coalesce(value: T?,
                        other: T!) -> T!`.

`validate` looks at the const parameters (by name) and returns an error message for a bad constant, or None:
`validate=lambda constants: None if constants["n"] > 0 else "a size is at least 1"`. A `Fault` says where in a constant
text the mistake is, too.

`canonical` gives the const parameters as the program is to carry them, once they are valid (a pattern with its
classes spelled out).

`shown_by` gives for each value at a `shown` parameter the operator that makes a text of it, with its constants, once
the const parameters are valid.

`aligned` names list parameters whose elements belong together: the checker asks for lists that are aligned.
`along` names the list parameter that the result goes along with element by element: it is aligned with it.
`places` names list parameters of which the operator moves the elements by their places alone. Results are then
aligned with each other where these arguments are, all others being the same: `take(s.a, 3)` with `take(s.b, 3)`.
`entries` names the map parameter of which the result has something of each entry: `keys(m)` goes with `values(m)`.

`arity` looks at the const parameters too, and says how many arguments there must be besides them.

`never_null_when` looks at the arguments that are constants (NOT_CONSTANT stands for the others) and says whether a
result declared `?` cannot be null after all: `never_null_when=lambda args: args[1] not in (NOT_CONSTANT, 0)` of a
division. A null argument still spreads.

`otherwise` names the operator that a call means whose arguments fit this one in no way: `truncate(list, n)` is `take`.

The checker finds what stands for syntax by `symbol`: `+ - * / // % ** == != < <= > >= in and or not ?? if` and
`unary -`.
`in` gets the value first, then the list; `if` the condition, then the two branches.

An overload that wants a scalar maps over a list given there (language rule 10): nobody declares that.
int32 is computed as int64 and float32 as float64, so signatures name int64 and float64.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from featdsl.types import SCALARS, Kind, Type, common_type, list_of, map_of, vector_of, widens_to

REQUIRED: Any = object()
NOT_CONSTANT: Any = object()

_LISTLIKE = ("list", "vector")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A type with holes: `name` is a type's name, `S`, `T`, or a vector size: a const parameter's name, or a number."""

    name: str
    arguments: tuple[Pattern, ...] = ()
    nullable: bool = False
    follows: bool = False
    """Marked `!`: nullness of the argument decides nullness of the result."""

    @property
    def depth(self) -> int:
        """How many lists stand around the innermost type."""
        return 1 + self.arguments[0].depth if self.name in _LISTLIKE else 0

    @property
    def has_size(self) -> bool:
        """Whether a vector is in it, of whose size a null says nothing."""
        return self.name == "vector" or any(inner.has_size for inner in self.arguments)

    def __str__(self) -> str:
        inside = f"<{', '.join(map(str, self.arguments))}>" if self.arguments else ""
        return self.name + inside + ("?" if self.nullable else "")


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    pattern: Pattern
    constant: bool = False
    variadic: bool = False
    hashed: bool = False
    shown: bool = False
    default: Any = REQUIRED

    @property
    def takes_null(self) -> bool:
        """Whether None reaches the operator, so that null does not spread from here."""
        return self.pattern.nullable or self.pattern.follows


@dataclass(frozen=True, slots=True)
class Signature:
    """One overload. `text` is as declared."""

    text: str
    name: str
    parameters: tuple[Parameter, ...]
    result: Pattern

    @property
    def arguments(self) -> tuple[Parameter, ...]:
        """The parameters that are values of rows (not constants), in order."""
        return tuple(p for p in self.parameters if not p.constant)

    def parameter_of(self, index: int) -> Parameter:
        """The parameter of the `index`-th value argument, counting a variadic one as often as needed."""
        values = self.arguments
        return values[min(index, len(values) - 1)]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the constant text of a parameter, from code point `start` to `end` of it."""

    message: str
    parameter: str
    start: int
    end: int


Validate = Callable[[Mapping[str, Any]], str | Fault | None]


@dataclass(frozen=True, eq=False)
class Operator:
    """`texts` are its signatures as declared. `version` goes into the fingerprint: raise it when the meaning of the
    operator changes."""

    name: str
    family: str
    texts: tuple[str, ...]
    reference: Callable[..., Any]
    doc: str
    examples: Mapping[str, Any] = field(default_factory=dict)
    symbol: str | None = None
    version: int = 1
    validate: Validate | None = None
    """Given the values of the const parameters by name (a const list is a tuple), what is wrong with them."""
    canonical: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """Given valid const parameters by name, those that the node carries."""
    arity: Callable[[Mapping[str, Any]], int] | None = None
    """Given valid const parameters by name, how many arguments the operator takes besides them."""
    shown_by: Callable[[Mapping[str, Any]], list[tuple[str, dict[str, Any]]]] | None = None
    """Given valid const parameters by name, the operator and its constants that make a text of each value."""
    never_null_when: Callable[[tuple[Any, ...]], bool] | None = None
    """Given the value of each argument that is a constant, else NOT_CONSTANT, whether the result is never null."""
    aligned: tuple[str, ...] = ()
    """Parameters that must be aligned lists."""
    along: str | None = None
    """The list parameter with which the result is aligned."""
    places: tuple[str, ...] = ()
    """The list parameters whose elements the result has, picked or moved without a look at them."""
    otherwise: str | None = None
    """The operator that a call means whose arguments do not fit this one."""
    entries: str | None = None
    """The map parameter that the result lists a part of: lists of the entries of one map are aligned."""

    @cached_property
    def signatures(self) -> tuple[Signature, ...]:
        """Its overloads, parsed when they are first asked for: a program uses few of the operators."""
        return tuple(parse_signature(text) for text in self.texts)


OPERATORS: dict[str, Operator] = {}
"""Every operator by name; filled by importing `featdsl.operators`."""

SYMBOLS: dict[str, str] = {}
"""Operator names by infix or prefix symbol: `+` -> `add`, unary `-` -> `negate` (key `unary -`)."""


def operator(
    *signatures: str,
    examples: Mapping[str, Any] | None = None,
    symbol: str | None = None,
    version: int = 1,
    validate: Validate | None = None,
    canonical: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None,
    arity: Callable[[Mapping[str, Any]], int] | None = None,
    shown_by: Callable[[Mapping[str, Any]], list[tuple[str, dict[str, Any]]]] | None = None,
    never_null_when: Callable[[tuple[Any, ...]], bool] | None = None,
    aligned: tuple[str, ...] = (),
    along: str | None = None,
    places: tuple[str, ...] = (),
    otherwise: str | None = None,
    entries: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares an operator; the decorated function is its reference. See the module's docstring."""

    def declare(reference: Callable[..., Any]) -> Callable[..., Any]:
        name = signatures[0].partition("(")[0]
        if name in OPERATORS or any(s.partition("(")[0] != name for s in signatures):
            raise ValueError(f"operator {name} is declared twice, or under two names")
        family = reference.__module__.rpartition(".")[2]
        OPERATORS[name] = Operator(
            name,
            family,
            signatures,
            reference,
            (reference.__doc__ or "").strip(),
            examples or {},
            symbol,
            version,
            validate,
            canonical,
            arity,
            shown_by,
            never_null_when,
            aligned,
            along,
            places,
            otherwise,
            entries,
        )
        if symbol:
            SYMBOLS[symbol] = name
        return reference

    return declare


# --- signature text ----------------------------------------------------------------------------

_HEAD = re.compile(r"(\w+)\((.*)\)\s*->\s*(.+)$")


def parse_signature(text: str) -> Signature:
    """Parses one overload. Errors: `ValueError` with the text."""
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"not a signature: {text!r}")
    name, inside, result = head.groups()
    parameters = tuple(_parameter(part) for part in _split(inside))
    return Signature(text, name, parameters, _pattern(result.strip()))


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "<[") - (char in ">]")
        if char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _parameter(text: str) -> Parameter:
    name, _, rest = text.partition(":")
    rest, _, default = rest.partition("=")
    rest = rest.strip()
    constant = rest.startswith("const ")
    hashed = rest.startswith("hashed ")
    shown = rest.startswith("shown ")
    rest = rest.removeprefix("const ").removeprefix("hashed ").removeprefix("shown ").strip()
    variadic = rest.endswith("...")
    value = _literal(default.strip()) if default.strip() else REQUIRED
    return Parameter(
        name.strip(), _pattern(rest.removesuffix("...")), constant, variadic, hashed, shown, value
    )


def _literal(text: str) -> Any:
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    if text.startswith('"'):
        return text[1:-1]
    return float(text) if "." in text or "e" in text else int(text)


def _pattern(text: str) -> Pattern:
    follows, text = text.endswith("!"), text.removesuffix("!")
    nullable, text = text.endswith("?"), text.removesuffix("?")
    if text.endswith(">"):
        name, _, inside = text.removesuffix(">").partition("<")
        return Pattern(name, tuple(_pattern(p) for p in _split(inside)), nullable, follows)
    return Pattern(text, (), nullable, follows)


# --- matching ----------------------------------------------------------------------------------


def match(pattern: Pattern, given: Type, bindings: dict[str, Type]) -> bool:
    """Whether a value of type `given` can stand at `pattern`, nullness apart; binds S, T and sizes.

    `bindings` maps S and T to the common type of what was seen so far (never nullable), and the name of a vector's
    size to a vector of that size.
    """
    bare = given.optional(False)
    if pattern.name in ("S", "T"):
        if pattern.name == "S" and not bare.is_scalar:
            return False
        seen = bindings.get(pattern.name)
        merged = bare if seen is None else common_type(seen, bare)
        if merged is None:
            return False
        bindings[pattern.name] = merged
        return True
    if given.kind is Kind.NOTHING:
        return not pattern.has_size
    if pattern.name in SCALARS:
        return widens_to(bare, SCALARS[pattern.name])
    if pattern.name == "list":
        return bare.is_listlike and match(pattern.arguments[0], bare.item, bindings)
    if pattern.name == "vector":
        size = pattern.arguments[1].name
        if bare.kind is not Kind.VECTOR or bindings.get(size, bare).size != bare.size:
            return False
        bindings[size] = bare
        return match(pattern.arguments[0], bare.item, bindings)
    if pattern.name == "map":
        return (
            bare.kind is Kind.MAP
            and bare.key is not None
            and match(pattern.arguments[0], bare.key, bindings)
            and match(pattern.arguments[1], bare.item, bindings)
        )
    return False


def resolve(pattern: Pattern, bindings: Mapping[str, Type], constants: Mapping[str, Any]) -> Type:
    """The type that a pattern stands for once S, T (`bindings`) and sizes (`constants`) are known.
    A list literal given at `list<…>` keeps to `list`."""
    if pattern.name in ("S", "T"):
        found = bindings[pattern.name]
    elif pattern.name in SCALARS:
        found = SCALARS[pattern.name]
    elif pattern.name == "list":
        found = list_of(resolve(pattern.arguments[0], bindings, constants))
    elif pattern.name == "vector":
        size = pattern.arguments[1].name
        known = bindings[size].size if size in bindings else constants.get(size)
        found = vector_of(resolve(pattern.arguments[0], bindings, constants), known or int(size))
    elif pattern.name == "map":
        key, value = pattern.arguments
        found = map_of(resolve(key, bindings, constants), resolve(value, bindings, constants))
    else:
        raise ValueError(f"no type: {pattern}")
    return found.optional(pattern.nullable)
