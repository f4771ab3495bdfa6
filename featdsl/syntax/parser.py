"""Declarations. A faulty declaration, field or model item is reported and skipped, and the rest of the
file is read on, so that one run reports all mistakes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from featdsl.diagnostics import Diagnostics
from featdsl.source_file import SourceFile
from featdsl.spelling import closest
from featdsl.syntax.cursor import CLOSING, DECLARATIONS, SNAKE_CASE, Cursor, SyntaxFault
from featdsl.syntax.expressions import ExpressionParser
from featdsl.syntax.lexer import Token
from featdsl.syntax.tree import (
    Attribute,
    Broken,
    Candidate,
    Declaration,
    Def,
    Entity,
    Expr,
    Feature,
    Field,
    File,
    Identifier,
    Import,
    Label,
    Let,
    Model,
    ModelInput,
    Name,
    Namespace,
    Output,
    Parameter,
    Request,
    Sequence,
    Source,
    SourceAlias,
    TypeName,
    Vocab,
)

_RECURSION_LIMIT = 20_000
"""Python frames for expressions of the deepest nesting that is allowed (about ten frames a level)."""

T = TypeVar("T")


def parse(file: SourceFile, diagnostics: Diagnostics, part: tuple[int, int] | None = None) -> File:
    """The syntax tree of a file, or of the declarations that stand in its part from one offset to another. Mistakes
    go to `diagnostics`; what did not parse is left out."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION_LIMIT))
    return _Parser(Cursor(file, diagnostics, part)).file()


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.expressions = ExpressionParser(cursor)

    def file(self) -> File:
        cursor = self.cursor
        doc = cursor.token.doc
        declarations: list[Declaration] = []
        while cursor.kind != "end":
            start = cursor.index
            try:
                declarations.append(self._declaration())
            except SyntaxFault:
                self.expressions.reset()
                cursor.skip_to_declaration(start)
        return File(tuple(declarations), doc, frozenset(cursor.broken_names), tuple(cursor.allows))

    def _declaration(self) -> Declaration:
        cursor, token = self.cursor, self.cursor.token
        if token.kind not in DECLARATIONS:
            fault = self._no_declaration()
            meant = cursor.misspelled(shaped=True)
            if meant is None:
                raise fault
            cursor.repair(meant)
            token = cursor.token
        parse: Callable[[Token], Declaration] = getattr(self, f"_{token.kind}")
        return parse(cursor.advance())

    def _no_declaration(self) -> SyntaxFault:
        """Reports a token that begins no declaration."""
        cursor, token = self.cursor, self.cursor.token
        help = "a declaration begins with `entity`, `source`, `let`, `feature`, `model` or another such word"
        meant = cursor.misspelled(shaped=False) if token.kind == "name" else None
        if meant is not None:
            help = f"did you mean `{meant}`?"
        elif token.kind in ("//", "/", "-"):
            help = "a comment begins with `#`"
        elif token.kind == "from":
            help = 'write `import "common.feat"`, which brings all its names'
        elif token.kind in ("label", "output"):
            help = "labels and outputs stand in a model: `model ranker { … }`"
        elif token.kind in CLOSING.values():
            help = "leave it out: no bracket is open here"
        elif token.kind == "name" and cursor.peek().kind == "=":
            help = f"write `let {token.text} = …` or `feature {token.text} = …`"
        return cursor.unexpected("a declaration", help)

    # --- one method a keyword ------------------------------------------------------------------

    def _namespace(self, start: Token) -> Declaration:
        name = self.cursor.name("the name of a namespace", declares=True)
        if self.cursor.kind == ".":
            raise self.cursor.unexpected("the next declaration", "a namespace is one name, without dots")
        return Namespace(name, self.cursor.span_from(start.start))

    def _import(self, start: Token) -> Declaration:
        path = self.cursor.expect("string", "the path of a file", 'write `import "common.feat"`')
        return Import(str(path.value), self.cursor.span(path), self.cursor.span_from(start.start))

    def _entity(self, start: Token) -> Declaration:
        cursor = self.cursor
        name = cursor.name("the name of an entity", declares=True)
        help = "write `entity user: int64 per request` or `entity item: string per candidate`"
        cursor.expect(":", "`:` and the type of the key", help)
        key_type = self._type()
        cursor.expect("per", "`per request` or `per candidate`", help)
        if cursor.kind not in ("request", "candidate"):
            raise cursor.unexpected("`request` or `candidate`", help)
        per = cursor.advance().text
        return Entity(name, key_type, per, cursor.span_from(start.start), start.doc)

    def _source(self, start: Token) -> Declaration:
        cursor = self.cursor
        name = cursor.name("the name of a source", declares=True)
        help = "write `source profile of user { … }`"
        origin = None
        if cursor.accept("="):
            origin = cursor.name("the source whose rows these are")
        cursor.expect("of", "`of` and what the rows are keyed by", help)
        key = self._path()
        if origin is not None:
            return SourceAlias(name, origin, key, cursor.span_from(start.start), start.doc)
        fields = self._block(self._source_field, help, owner=name.name)
        return Source(name, key, fields, cursor.span_from(start.start), start.doc)

    def _request(self, start: Token) -> Declaration:
        fields = self._block(self._field)
        return Request(fields, self.cursor.span_from(start.start), start.doc)

    def _candidate(self, start: Token) -> Declaration:
        fields = self._block(self._field)
        return Candidate(fields, self.cursor.span_from(start.start), start.doc)

    def _vocab(self, start: Token) -> Declaration:
        cursor = self.cursor
        name = cursor.name("the name of a vocab", declares=True)
        help = 'write `vocab genres from "vocab/genres.txt"`'
        cursor.expect("from", "`from` and the path of a file", help)
        path = cursor.expect("string", "the path of a file", help)
        span = cursor.span_from(start.start)
        return Vocab(name, str(path.value), cursor.span(path), span, start.doc)

    def _def(self, start: Token) -> Declaration:
        cursor = self.cursor
        name = cursor.name("the name of a def", declares=True)
        help = "write `def ratio(a: float64, b) = a / b ?? 0.0`"
        if cursor.kind != "(":
            raise cursor.unexpected("`(` and the parameters", help)
        opening = cursor.advance()
        parameters: list[Parameter] = []
        while cursor.kind not in (")", "end"):
            parameter = cursor.name("a parameter", declares=True)
            parameter_type = self._type() if cursor.accept(":") else None
            default = self.expressions.expression() if cursor.accept("=") else None
            span = cursor.span_from(parameter.span.start)
            parameters.append(Parameter(parameter, parameter_type, span, default))
            if not cursor.accept(","):
                break
        cursor.close(opening, help)
        if cursor.kind == "-":
            help = "the type of a def follows from its body: `def f(x) = …`"
        body = self._definition(help)
        return Def(name, tuple(parameters), body, cursor.span_from(start.start), start.doc)

    def _let(self, start: Token) -> Declaration:
        name = self.cursor.name("the name of a let", declares=True)
        body = self._definition(
            self._definition_help(name, "let", "write `let half = profile.n_ratings / 2`")
        )
        return Let(name, body, self.cursor.span_from(start.start), start.doc)

    def _feature(self, start: Token) -> Declaration:
        name = self.cursor.name("the name of a feature", declares=True)
        example = "write `feature age = year(request.at) - (movie.year ?? 2000)`"
        body = self._definition(self._definition_help(name, "feature", example))
        return Feature(name, body, self.cursor.span_from(start.start), start.doc)

    def _definition_help(self, name: Identifier, what: str, example: str) -> str:
        """How to mend what stands between a name and where its `=` should be."""
        cursor = self.cursor
        following = cursor.peek()
        if cursor.kind == ":" and following.kind == "name":
            return f"the type of a {what} follows from its value: write `{what} {name.name} = …`"
        if cursor.kind == "(":
            return f"what takes arguments is a def: `def {name.name}(…) = …`"
        if cursor.kind in ("-", ".") and following.kind == "name":
            joined = f"{name.name}_{following.text}"
            return f"a name is one word: `{joined}`" if SNAKE_CASE.fullmatch(joined) else example
        return example

    def _definition(self, help: str) -> Expr:
        """`= expression`. One that does not parse is `Broken`, so that its name stays known."""
        cursor = self.cursor
        cursor.expect("=", "`=`", help)
        start = cursor.index
        try:
            found = self.expressions.expression()
            self.expressions.reset()
            if cursor.kind == "end" or cursor.at_declaration():
                return found
            raise cursor.stray("an operator or the next declaration", operand=False)
        except SyntaxFault:
            self.expressions.reset()
            begin = cursor.tokens[min(start, len(cursor.tokens) - 1)].start
            while cursor.kind != "end" and not cursor.at_declaration():
                cursor.index += 1
            return Broken(cursor.span_from(begin))

    def _path(self) -> Expr:
        """`user` or `movie.director_id` or `profile.clicks.item_id`."""
        cursor = self.cursor
        first = cursor.name("an entity or a field")
        path: Expr = Name(first.name, first.span)
        while cursor.accept("."):
            name = cursor.name("a field")
            path = Attribute(path, name, path.span.to(name.span))
        return path

    # --- fields --------------------------------------------------------------------------------

    def _block(self, item: Callable[[], T], help: str = "", owner: str = "") -> tuple[T, ...]:
        """`{ item item … }`. A faulty item is skipped, and `owner` then counts as incomplete."""
        cursor = self.cursor
        opening = cursor.accept("{")
        if opening is None:
            fault = cursor.unexpected("`{`", help)
            if not cursor.at_item():
                raise fault
        items: list[T] = []
        commas = 0
        while cursor.kind not in ("}", "end") and not cursor.at_declaration():
            start = cursor.index
            try:
                items.append(item())
            except SyntaxFault:
                self.expressions.reset()
                cursor.skip_to_item(start)
                cursor.broken_names.add(owner)
            if cursor.kind == ",":
                if not commas:
                    cursor.unexpected("the next field", "fields stand after one another, without commas")
                commas += 1
                cursor.advance()
        if opening is None:
            cursor.accept("}")
        else:
            cursor.close(opening)
        return tuple(items)

    def _source_field(self) -> Field | Sequence:
        cursor = self.cursor
        if cursor.peek().kind == ":" and cursor.peek(2).kind == "sequence":
            start = cursor.token
            name = cursor.name("the name of a sequence", declares=True)
            cursor.advance()
            cursor.advance()
            cap = self._cap()
            fields = self._block(
                self._field,
                "write `clicks: sequence[50] { item_id: string  at: timestamp }`",
                owner=name.name,
            )
            broken = name.name in cursor.broken_names
            return Sequence(name, cap, fields, cursor.span_from(start.start), start.doc, broken)
        return self._field()

    def _field(self) -> Field:
        cursor = self.cursor
        start = cursor.token
        name = cursor.name("the name of a field", declares=True)
        help = "write `year: int32?` or `n_ratings: int32 = 0`"
        if cursor.kind == "?":
            help = f"the `?` stands after the type: `{name.name}: int32?`"
        cursor.expect(":", "`:` and a type", help)
        field_type = self._type()
        cap = self._cap()
        default = None
        if cursor.accept("="):
            default = self.expressions.expression()
            self.expressions.reset()
        self._field_ends(default)
        return Field(name, field_type, cap, default, cursor.span_from(start.start), start.doc)

    def _field_ends(self, default: Expr | None) -> None:
        """Refuses what is neither the next field nor the end of the block."""
        cursor = self.cursor
        if cursor.kind in ("}", "end", ",") or cursor.at_declaration() or cursor.at_item():
            return
        if cursor.kind == "name" and (cursor.token.first or cursor.peek().kind == ":"):
            return
        help = ""
        if cursor.kind in ("?", "??"):
            help = "`?` stands right after the type, and only once"
        elif cursor.kind == "(" and isinstance(default, Name):
            help = (
                f"write `= {default.name}`" if default.name == "now" else "a default is a literal, not a call"
            )
        elif cursor.kind == "name" and default is None:
            help = "a default is written `= 0`"
        raise cursor.unexpected("the next field", help)

    def _cap(self) -> int | None:
        cursor = self.cursor
        if cursor.kind != "[":
            return None
        opening = cursor.advance()
        size = cursor.expect("int", "the largest length", "write `list<string>[20]`")
        cursor.close(opening)
        return size.value if isinstance(size.value, int) else 0

    def _type(self) -> TypeName:
        cursor = self.cursor
        token = cursor.token
        self.expressions.depth += 1
        if self.expressions.depth > 50:
            self.expressions.depth = 0
            cursor.diagnostics.error("E0110", "the type is nested too deeply", cursor.span(token))
            raise SyntaxFault
        if token.kind not in ("name", "sequence"):
            raise cursor.unexpected("a type")
        cursor.advance()
        arguments: list[TypeName] = []
        size = None
        if cursor.kind == "<":
            opening = cursor.advance()
            arguments.append(self._type())
            while cursor.accept(","):
                if cursor.kind == "int":
                    value = cursor.advance().value
                    size = value if isinstance(value, int) else 0
                else:
                    arguments.append(self._type())
            cursor.close(opening)
        nullable = cursor.accept("?") is not None
        self.expressions.depth -= 1
        return TypeName(token.text, tuple(arguments), size, nullable, cursor.span_from(token.start))

    # --- model ---------------------------------------------------------------------------------

    def _model(self, start: Token) -> Declaration:
        cursor = self.cursor
        name = cursor.name("the name of a model", declares=True)
        after: dict[str, Expr] = {}
        items = self._block(
            lambda: self._model_item(after),
            "write `model ranker { dense: float32 = [a, b] }`",
            owner=name.name,
        )
        return Model(
            name,
            tuple(i for i in items if isinstance(i, ModelInput)),
            tuple(i for i in items if isinstance(i, Label)),
            tuple(i for i in items if isinstance(i, Output)),
            after.get("keep"),
            after.get("score"),
            cursor.span_from(start.start),
            start.doc,
        )

    def _model_item(self, after: dict[str, Expr]) -> ModelInput | Label | Output | None:
        cursor = self.cursor
        self._repair_item()
        start = cursor.token
        if start.kind in ("label", "output"):
            return self._column(cursor.advance())
        if start.text in ("keep", "score") and cursor.peek().kind == "=":
            cursor.advance()
            cursor.advance()
            if start.text in after:
                cursor.diagnostics.error(
                    "E0112",
                    f"`{start.text}` stands twice in a model",
                    cursor.span(start),
                    help="leave one of them",
                )
            after[start.text] = self._item_expression()
            return None
        return self._input(start)

    def _repair_item(self) -> None:
        """Reports a misspelled `label`, `output`, `keep` or `score`, and reads it as meant."""
        cursor, token = self.cursor, self.cursor.token
        following = cursor.peek().kind
        if token.kind != "name":
            return
        if following == "name" and cursor.peek(2).kind == ":":
            meant = closest(token.text.lower(), ("label", "output"))
            cursor.unexpected(
                "an item of the model", f"did you mean `{meant}`?" if meant else f"leave `{token.text}` out"
            )
            if meant is None:
                cursor.advance()
            else:
                cursor.repair(meant)
        elif following == "=" and token.text not in ("keep", "score"):
            meant = closest(token.text.lower(), ("keep", "score"))
            if meant is not None:
                cursor.unexpected("an item of the model", f"did you mean `{meant}`?")
                cursor.tokens[cursor.index] = token._replace(text=meant)

    def _column(self, start: Token) -> Label | Output:
        cursor = self.cursor
        an = "an" if start.kind == "output" else "a"
        name = cursor.name(f"the name of {an} {start.kind}", declares=True)
        cursor.expect(":", "`:` and a type", f"write `{start.kind} {name.name}: float32`")
        column_type = self._type()
        if cursor.kind == "=":
            comes = (
                "the model server answers it" if start.kind == "output" else "it comes from the sample log"
            )
            raise cursor.unexpected("the next item", f"{an} {start.kind} has no value: {comes}")
        column = Label if start.kind == "label" else Output
        return column(name, column_type, cursor.span_from(start.start), start.doc)

    def _input(self, start: Token) -> ModelInput:
        cursor = self.cursor
        name = cursor.name("the name of an input", declares=True)
        help = (
            "write `dense: float32 = [a, b]`, `label liked: float32`, `output like: float32` or `score = …`"
        )
        cursor.expect(":", "`:` and a type", help)
        input_type = self._type()
        per_request = False
        if cursor.accept("per"):
            cursor.expect("request", "`request`", "only `per request` can stand here")
            per_request = True
        cursor.expect("=", "`=`", help)
        body = self._item_expression()
        return ModelInput(name, input_type, per_request, body, cursor.span_from(start.start), start.doc)

    def _item_expression(self) -> Expr:
        cursor = self.cursor
        start = cursor.index
        try:
            found = self.expressions.expression()
            self.expressions.reset()
            if (
                cursor.kind not in ("}", "end", "label", "output", "name", ",")
                and not cursor.at_declaration()
            ):
                raise cursor.stray("an operator or the next item", operand=False)
            return found
        except SyntaxFault:
            self.expressions.reset()
            cursor.skip_to_item(start)
            return Broken(cursor.span_from(cursor.tokens[start].start))
