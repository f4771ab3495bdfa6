"""The syntax tree: what the text says, before names and types are looked at.

Every node has the `span` of its text. `a |> f(b)` is already `Call(f, [a, b])` here, and the
line breaks and comments are gone; doc comments (`##`) are kept as text.
"""

from __future__ import annotations

from featdsl.source_file import Span
from featdsl.syntax.node import node


@node
class Identifier:
    name: str
    span: Span


# --- expressions -------------------------------------------------------------------------------


@node
class Literal:
    """A bool, int, float or str; None for `null`. A minus sign before a number is a `Unary`,
    but for the smallest int64, which the parser folds in."""

    value: bool | int | float | str | None
    span: Span


@node
class Name:
    name: str
    span: Span


@node
class Attribute:
    """`base.name`, as in `profile.clicks.item_id` or `output.like`."""

    base: Expr
    name: Identifier
    span: Span


@node
class Argument:
    """`value` or `name: value`. `piped` marks the one that came in through `|>`."""

    value: Expr
    name: Identifier | None = None
    piped: bool = False


@node
class Call:
    function: Identifier
    arguments: tuple[Argument, ...]
    span: Span


@node
class Unary:
    """`operator` is `-` or `not`."""

    operator: str
    operand: Expr
    span: Span


@node
class Binary:
    """`operator` is one of `+ - * / // % ** == != < <= > >= in and or ??`."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span
    span: Span


@node
class If:
    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span


@node
class ListLiteral:
    items: tuple[Expr, ...]
    span: Span


@node
class MapLiteral:
    """`{"a": 1, "b": 2}`; the n-th value stands under the n-th key."""

    keys: tuple[Expr, ...]
    values: tuple[Expr, ...]
    span: Span


@node
class Fit:
    """`fit vocab(min_count: 5)`: state learned from data, as an argument."""

    what: Identifier
    arguments: tuple[Argument, ...]
    span: Span


@node
class Broken:
    """Stands where an expression did not parse; the diagnostics already say why."""

    span: Span


Expr = Literal | Name | Attribute | Call | Unary | Binary | If | ListLiteral | MapLiteral | Fit | Broken


# --- types as written --------------------------------------------------------------------------


@node
class TypeName:
    """`int64`, `list<string>?`, `vector<float32, 8>`, `map<string, int64>`.

    `arguments` holds the type arguments in order, `size` a vector's length.
    """

    name: str
    arguments: tuple[TypeName, ...]
    size: int | None
    nullable: bool
    span: Span


# --- declarations ------------------------------------------------------------------------------


@node
class Namespace:
    name: Identifier
    span: Span


@node
class Import:
    path: str
    path_span: Span
    span: Span


@node
class Entity:
    """`per` is `request` or `candidate`."""

    name: Identifier
    type: TypeName
    per: str
    span: Span
    doc: str = ""


@node
class Field:
    """A field of a source, a sequence, `request` or `candidate`.

    `cap` is the `[20]` of `list<string>[20]`. `default` is a constant expression, or
    `Name("now")` for a timestamp of `request`.
    """

    name: Identifier
    type: TypeName
    cap: int | None
    default: Expr | None
    span: Span
    doc: str = ""


@node
class Sequence:
    """`clicks: sequence[50] { … }` inside a source; `broken` says that a field of it did not parse."""

    name: Identifier
    cap: int | None
    fields: tuple[Field, ...]
    span: Span
    doc: str = ""
    broken: bool = False


@node
class Source:
    """`source profile of user { … }`; `key` is an entity's name or a path such as
    `movie.director_id`."""

    name: Identifier
    key: Expr
    fields: tuple[Field | Sequence, ...]
    span: Span
    doc: str = ""


@node
class SourceAlias:
    """`source clicked = movie of profile.clicks.item_id`: the rows of `origin` under another key."""

    name: Identifier
    origin: Identifier
    key: Expr
    span: Span
    doc: str = ""


@node
class Request:
    fields: tuple[Field, ...]
    span: Span
    doc: str = ""


@node
class Candidate:
    fields: tuple[Field, ...]
    span: Span
    doc: str = ""


@node
class Vocab:
    name: Identifier
    path: str
    path_span: Span
    span: Span
    doc: str = ""


@node
class Parameter:
    """`default` is what an argument that is not given stands for: a literal."""

    name: Identifier
    type: TypeName | None
    span: Span
    default: Expr | None = None


@node
class Def:
    name: Identifier
    parameters: tuple[Parameter, ...]
    body: Expr
    span: Span
    doc: str = ""


@node
class Let:
    name: Identifier
    body: Expr
    span: Span
    doc: str = ""


@node
class Feature:
    name: Identifier
    body: Expr
    span: Span
    doc: str = ""


@node
class ModelInput:
    """`dense: float32 = [a, b]`, or `once: int64 per request = a`."""

    name: Identifier
    type: TypeName
    per_request: bool
    body: Expr
    span: Span
    doc: str = ""


@node
class Label:
    name: Identifier
    type: TypeName
    span: Span
    doc: str = ""


@node
class Output:
    name: Identifier
    type: TypeName
    span: Span
    doc: str = ""


@node
class Model:
    name: Identifier
    inputs: tuple[ModelInput, ...]
    labels: tuple[Label, ...]
    outputs: tuple[Output, ...]
    keep: Expr | None
    score: Expr | None
    span: Span
    doc: str = ""


Declaration = (
    Namespace
    | Import
    | Entity
    | Source
    | SourceAlias
    | Request
    | Candidate
    | Vocab
    | Def
    | Let
    | Feature
    | Model
)


@node
class Allow:
    """A comment `# allow W0102 reason`, one for each code that it names; it silences warnings on `line`."""

    code: Identifier
    reason: str
    line: int
    span: Span


@node
class File:
    """One parsed file. What could not be parsed is missing here and stands in the diagnostics.

    `broken_names` are the names that such text declares: not knowing them is not a second mistake.
    """

    declarations: tuple[Declaration, ...]
    doc: str = ""
    broken_names: frozenset[str] = frozenset()
    allows: tuple[Allow, ...] = ()
