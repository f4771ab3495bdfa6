"""Expressions, by precedence climbing. From loosest to tightest: `|>`, `if`, `or`, `and`, `not`,
comparisons and `in` (not chained), `??`, `+ -`, `* / // %`, unary `-`, `**` (from right to left),
calls and `.`."""

from __future__ import annotations

from featdsl.syntax.cursor import Cursor, SyntaxFault
from featdsl.syntax.lexer import INT64_MAX, KEYWORDS, Token
from featdsl.syntax.tree import (
    Argument,
    Attribute,
    Binary,
    Call,
    Expr,
    Fit,
    Identifier,
    If,
    ListLiteral,
    Literal,
    MapLiteral,
    Name,
    Unary,
)

MAX_DEPTH = 400
"""Levels of one expression; every room may recurse this deep, and no one writes it by hand."""

_OR, _AND, _NOT, _COMPARE, _COALESCE, _ADD, _MULTIPLY, _NEGATE, _POWER = range(1, 10)
_BINDING = {
    "or": _OR, "and": _AND,
    "==": _COMPARE, "!=": _COMPARE, "<": _COMPARE, "<=": _COMPARE, ">": _COMPARE, ">=": _COMPARE, "in": _COMPARE,
    "??": _COALESCE, "+": _ADD, "-": _ADD,
    "*": _MULTIPLY, "/": _MULTIPLY, "//": _MULTIPLY, "%": _MULTIPLY, "**": _POWER,
}  # fmt: skip
_ROOTS = frozenset({"request", "candidate", "output"})
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class ExpressionParser:
    """Parses expressions from a cursor. Faults are `SyntaxFault`, already reported."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.depth = 0
        self._heights: dict[int, int] = {}

    def expression(self) -> Expr:
        """A whole expression: `if … |> f(…) |> g`."""
        begin = self.cursor.token.start
        left = self._conditional()
        while self.cursor.accept("|>"):
            if self.cursor.kind != "name":
                raise self.cursor.unexpected("an operator after `|>`", "write `x |> f` or `x |> f(argument)`")
            right = self._call(self._identifier(), left, begin)
            left = right
            if self.cursor.kind in _BINDING:
                self.cursor.diagnostics.error(
                    "E0108",
                    f"`{self.cursor.kind}` after `|>` needs parentheses",
                    self.cursor.span(self.cursor.token),
                    help=f"`|>` binds loosest of all: write `(a |> {right.function.name}) {self.cursor.kind} b`",
                )
                raise SyntaxFault
        return left

    def _conditional(self) -> Expr:
        """Below `|>`: `if a then b else c`, or an operator expression."""
        cursor = self.cursor
        if cursor.kind != "if":
            return self._binary(_OR)
        start = cursor.advance()
        self._enter(start)
        condition = self._conditional()
        self._word("then", "a condition is written `if a then b else c`")
        then = self._conditional()
        self._word("else", "a condition is written `if a then b else c`: it always has an `else`")
        otherwise = self._conditional()
        self._leave()
        node = If(condition, then, otherwise, cursor.span_from(start.start))
        return self._sized(node, condition, then, otherwise, at=start)

    def _word(self, word: str, help: str) -> None:
        if self.cursor.kind != word:
            raise self.cursor.stray(f"`{word}`", operand=False, help=help)
        self.cursor.advance()

    def _binary(self, lowest: int) -> Expr:
        cursor = self.cursor
        begin = cursor.token.start  # a bracket there is not in the span of what it holds
        left = self._prefix(lowest)
        while (binding := _BINDING.get(cursor.kind, 0)) >= lowest:
            symbol = cursor.advance()
            self._enter(symbol)
            # `**` is right to left, and its right side may be negative: 2 ** -1
            right = self._binary(_NEGATE if binding == _POWER else binding + 1)
            self._leave()
            node = Binary(symbol.kind, left, right, cursor.span(symbol), cursor.span_from(begin))
            left = self._sized(node, left, right, at=symbol)
            if binding == _COMPARE and _BINDING.get(cursor.kind) == _COMPARE:
                cursor.diagnostics.error(
                    "E0108",
                    "comparisons cannot be chained",
                    cursor.span(cursor.token),
                    help="write `a < b and b < c`, or put one of them in parentheses",
                )
                raise SyntaxFault
        return left

    def _prefix(self, lowest: int) -> Expr:
        cursor = self.cursor
        token = cursor.token
        if token.kind == "not":
            if lowest > _NOT:
                raise self._parentheses(token, "not …")
            cursor.advance()
            self._enter(token)
            operand = self._binary(_NOT)
            self._leave()
            node = Unary("not", operand, cursor.span_from(token.start))
            return self._sized(node, operand, at=token)
        if token.kind == "if":
            raise self._parentheses(token, "if … then … else …")
        if token.kind == "-":
            cursor.advance()
            if cursor.kind == "int" and cursor.token.value == INT64_MAX + 1 and cursor.peek().kind != "**":
                cursor.advance()
                return Literal(-INT64_MAX - 1, cursor.span_from(token.start))
            self._enter(token)
            operand = self._binary(_NEGATE)
            self._leave()
            node = Unary("-", operand, cursor.span_from(token.start))
            return self._sized(node, operand, at=token)
        return self._postfix(self._primary())

    def _postfix(self, base: Expr) -> Expr:
        cursor = self.cursor
        while dot := cursor.accept("."):
            if cursor.kind != "name" and isinstance(base, Literal):
                raise cursor.stray("a name after `.`", operand=True)
            name = cursor.name("a name after `.`")
            base = self._sized(Attribute(base, name, cursor.span_from(base.span.start)), base, at=dot)
        if cursor.kind == "(" and not isinstance(base, (Name, Call)):
            raise cursor.stray("an operator between the two", operand=False)
        return base

    def _primary(self) -> Expr:
        cursor = self.cursor
        token = cursor.token
        span = cursor.span(token)
        if token.kind in ("int", "float", "string"):
            cursor.advance()
            if token.kind == "int" and token.value == INT64_MAX + 1:
                cursor.diagnostics.error(
                    "E0106",
                    "the integer does not fit an int64",
                    span,
                    help="the largest int64 is 9_223_372_036_854_775_807; write it with `.0` for a float64",
                )
                return Literal(0, span)
            return Literal(token.value, span)
        if token.kind in _WORDS:
            cursor.advance()
            return Literal(_WORDS[token.kind], span)
        if token.kind == "name" and not (token.first and cursor.peek().kind in (":", "=")):
            identifier = self._identifier()
            if cursor.kind == "(":
                return self._call(identifier, None, token.start)
            return Name(identifier.name, span)
        if token.kind == "now" or (token.kind in _ROOTS and cursor.peek().kind == "."):
            cursor.advance()
            return Name(token.text, span)
        if token.kind == "(":
            cursor.advance()
            self._enter(token)
            inner = self.expression()
            self._leave()
            cursor.close(token)
            return inner
        if token.kind == "[":
            return self._list()
        if token.kind == "{":
            return self._map()
        if token.kind == "fit":
            return self._fit()
        if token.kind in KEYWORDS and not cursor.at_declaration() and token.kind not in ("then", "else"):
            cursor.diagnostics.error(
                "E0107",
                f"a reserved word cannot be used as a name: `{token.text}`",
                span,
                help=f"name a field of it: `{token.text}.…`"
                if token.kind in _ROOTS
                else "rename what it stands for",
            )
            raise SyntaxFault
        raise cursor.stray("an expression", operand=True)

    def _identifier(self) -> Identifier:
        token = self.cursor.advance()
        return Identifier(token.text, self.cursor.span(token))

    def _call(self, function: Identifier, piped: Expr | None, begin: int) -> Call:
        arguments: tuple[Argument, ...] = ()
        at = self.cursor.token
        if piped is not None:
            arguments = (Argument(piped, piped=True),)
        if self.cursor.kind == "(":
            arguments += self._arguments()
        node = Call(function, arguments, self.cursor.span_from(begin))
        self._sized(node, *(a.value for a in arguments), at=at)
        return node

    def _arguments(self) -> tuple[Argument, ...]:
        cursor = self.cursor
        opening = cursor.advance()
        self._enter(opening)
        found: list[Argument] = []
        while cursor.kind not in (")", "end"):
            name = None
            if (cursor.kind == "name" or cursor.kind in KEYWORDS) and cursor.peek().kind == ":":
                name = self._identifier()
                cursor.advance()
            found.append(Argument(self.expression(), name))
            if not cursor.accept(","):
                break
        self._leave()
        cursor.close(opening)
        return tuple(found)

    def _list(self) -> Expr:
        cursor = self.cursor
        opening = cursor.advance()
        self._enter(opening)
        items: list[Expr] = []
        while cursor.kind not in ("]", "end") and not cursor.at_item():
            items.append(self.expression())
            if not cursor.accept(","):
                break
        self._leave()
        cursor.close(opening)
        return self._sized(ListLiteral(tuple(items), cursor.span_from(opening.start)), *items, at=opening)

    def _map(self) -> Expr:
        cursor = self.cursor
        opening = cursor.advance()
        self._enter(opening)
        keys: list[Expr] = []
        values: list[Expr] = []
        while cursor.kind not in ("}", "end"):
            if cursor.at_item():
                name = cursor.token.text
                help = f'a text stands in quotes: `"{name}": …`; if it is the name of a value, write `({name}): …`'
                raise cursor.unexpected("a key", help)
            keys.append(self.expression())
            cursor.expect(":", help='a map is written `{"a": 1, "b": 2}`, a list `[1, 2]`')
            values.append(self.expression())
            if not cursor.accept(","):
                break
        self._leave()
        cursor.close(opening)
        span = cursor.span_from(opening.start)
        return self._sized(MapLiteral(tuple(keys), tuple(values), span), *keys, *values, at=opening)

    def _fit(self) -> Expr:
        cursor = self.cursor
        start = cursor.advance()
        if cursor.kind not in ("vocab", "name"):
            raise cursor.unexpected("what is fitted", "write `fit vocab(min_count: 5)`")
        what = self._identifier()
        arguments = self._arguments() if cursor.kind == "(" else ()
        return Fit(what, arguments, cursor.span_from(start.start))

    # --- depth ---------------------------------------------------------------------------------

    def _enter(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._too_deep(token)

    def _leave(self) -> None:
        self.depth -= 1

    def _sized(self, node: Expr, *children: Expr, at: Token) -> Expr:
        """Notes the height of a tree that loops build (`a + b + …`), where nothing recurses."""
        height = 1 + max((self._heights.get(id(c), 0) for c in children), default=0)
        if height > MAX_DEPTH:
            self._too_deep(at)
        self._heights[id(node)] = height
        return node

    def _too_deep(self, token: Token) -> None:
        self.cursor.diagnostics.error(
            "E0110",
            f"the expression is nested more than {MAX_DEPTH} levels deep",
            self.cursor.span(token),
            help="give inner parts a name with `let`",
        )
        raise SyntaxFault

    def reset(self) -> None:
        """Forgets the depth after a fault, and the heights of what is done."""
        self.depth = 0
        self._heights.clear()

    def _parentheses(self, token: Token, what: str) -> SyntaxFault:
        self.cursor.diagnostics.error(
            "E0108",
            f"`{token.kind}` inside an operator needs parentheses",
            self.cursor.span(token),
            help=f"write `({what})`",
        )
        return SyntaxFault()
