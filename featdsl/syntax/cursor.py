"""A place in the tokens of a file, and how a parser complains and recovers there."""

from __future__ import annotations

import re

from featdsl.diagnostics import Diagnostics, Note
from featdsl.source_file import SourceFile, Span
from featdsl.spelling import closest
from featdsl.syntax.foreign import advice
from featdsl.syntax.lexer import KEYWORDS, Token, tokens
from featdsl.syntax.tree import Allow, Identifier

DECLARATIONS = frozenset(
    "namespace import entity source request candidate vocab def let feature model".split()
)
_SHAPES = {
    "let": "=", "feature": "=", "model": "{", "source": ("of", "="), "entity": ":", "def": "(", "vocab": "from",
}  # fmt: skip
"""What follows the name in a declaration: by this a misspelled keyword is known."""
_ELSEWHERE = {
    "const": "let", "dim": "let", "set": "let", "val": "let", "var": "let", "fn": "def", "fun": "def", "func": "def",
    "function": "def", "macro": "def", "features": "feature", "include": "import", "use": "import", "table": "source",
    "dictionary": "vocab", "vocabulary": "vocab", "package": "namespace", "module": "namespace",
}  # fmt: skip
CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_OPERANDS = ("name", "int", "float", "string", "true", "false", "null", "[")
SNAKE_CASE = re.compile(r"[a-z_][a-z0-9_]*")


class SyntaxFault(Exception):
    """A mistake that was reported; whoever can go on from the next declaration or field catches it."""


class Cursor:
    """The tokens of one file, or of a part of it, and the next one to be read."""

    def __init__(
        self, file: SourceFile, diagnostics: Diagnostics, part: tuple[int, int] | None = None
    ) -> None:
        self.file = file
        self.diagnostics = diagnostics
        self.allows: list[Allow] = []
        self.tokens = tokens(file, diagnostics, self.allows, part)
        self.index = 0
        self.broken_names: set[str] = set()

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    @property
    def kind(self) -> str:
        return self.tokens[self.index].kind

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def advance(self) -> Token:
        token = self.tokens[self.index]
        if token.kind != "end":
            self.index += 1
        return token

    def accept(self, kind: str) -> Token | None:
        return self.advance() if self.kind == kind else None

    def span(self, token: Token) -> Span:
        return Span(self.file, token.start, token.end)

    def span_from(self, start: int) -> Span:
        """From offset `start` to the end of the last token that was read."""
        return Span(self.file, start, max(start, self.tokens[self.index - 1].end if self.index else 0))

    # --- what must be there --------------------------------------------------------------------

    def expect(self, kind: str, wanted: str = "", help: str = "") -> Token:
        """The next token, which must be of `kind`; else the fault says what was `wanted`."""
        if self.kind == kind:
            return self.advance()
        raise self.unexpected(wanted or f"`{kind}`", help)

    def name(self, what: str, *, declares: bool = False) -> Identifier:
        """A name; `what` it names is said in the message. A name that is declared must be snake_case."""
        token = self.token
        if token.kind != "name":
            if token.kind in KEYWORDS and not (token.first and self.at_declaration()):
                self.diagnostics.error(
                    "E0107",
                    f"a reserved word cannot be {what}: `{token.text}`",
                    self.span(token),
                    help=f"choose another name, such as `{token.text}_`" if declares else "",
                )
                if not declares:
                    self.advance()
                raise SyntaxFault
            raise self.unexpected(what)
        self.advance()
        if declares and not SNAKE_CASE.fullmatch(token.text):
            self.diagnostics.error(
                "E0111",
                f"a name is not in snake_case: `{token.text}`",
                self.span(token),
                help=f"write `{_snake_case(token.text)}`"
                if token.text.isascii()
                else "names are made of a-z, 0-9 and _, and begin with a letter",
            )
        return Identifier(token.text, self.span(token))

    def close(self, opening: Token, help: str = "") -> Token:
        """The bracket that closes `opening`."""
        closing = CLOSING[opening.kind]
        if self.kind == closing:
            return self.advance()
        if closing == ">" and self.kind == ">=":
            token = self.token
            self.tokens[self.index] = Token("=", "=", token.start + 1, token.end)
            return Token(">", ">", token.start, token.start + 1)
        note = Note(f"the `{opening.kind}` is opened here", self.span(opening))
        if self.kind == "end" or self.at_declaration() or (opening.kind == "[" and self.at_item()):
            self.diagnostics.error(
                "E0109",
                f"a bracket is not closed: `{opening.kind}`",
                self.span(opening),
                label=f"no `{closing}` for this",
                help=help or f"add `{closing}`",
            )
            raise SyntaxFault
        raise self.unexpected(f"`{closing}`", help or self._bracket_help(opening), (note,))

    def _bracket_help(self, opening: Token) -> str:
        token, following = self.token, self.peek()
        if token.kind == "," and opening.kind == "(":
            return "a list is written `[a, b]`"
        if token.kind == "=" and self.tokens[self.index - 1].kind == "name" and opening.kind == "(":
            name = self.tokens[self.index - 1].text
            return f"a named argument is written `{name}: …`, a comparison `{name} == …`"
        if token.kind in (")", "]", "}"):
            return f"write `{CLOSING[opening.kind]}`"
        return advice(self.tokens, self.index, operand=False) or (
            "put a `,` between the two" if token.kind in _OPERANDS and following.kind != "in" else ""
        )

    def stray(self, wanted: str, *, operand: bool, help: str = "") -> SyntaxFault:
        """In an expression: `unexpected`, with advice on what other languages write so."""
        return self.unexpected(wanted, advice(self.tokens, self.index, operand=operand) or help)

    def unexpected(self, wanted: str, help: str = "", notes: tuple[Note, ...] = ()) -> SyntaxFault:
        """Reports the next token, unless the lexer did already."""
        token = self.token
        if token.kind == "bad":
            return SyntaxFault()
        found = "the end of the file" if token.kind == "end" else f"`{token.text}`"
        span = self.span(token)
        if token.kind == "end" and self.index:
            last = self.tokens[self.index - 1]
            span = Span(self.file, last.end, last.end)
        self.diagnostics.error(
            "E0101",
            f"expected {wanted}, found {found}",
            span,
            label=f"expected {wanted}",
            notes=notes,
            help=help,
        )
        return SyntaxFault()

    # --- recovery ------------------------------------------------------------------------------

    def at_declaration(self) -> bool:
        """Whether a declaration begins here (`request.at` and `fit vocab` do not begin one)."""
        kind = self.kind
        if kind not in DECLARATIONS:
            return kind == "name" and self.misspelled(shaped=True) is not None
        following = self.peek().kind
        if kind in ("request", "candidate"):
            return following == "{"
        if kind == "vocab" and self.index and self.tokens[self.index - 1].kind == "fit":
            return False
        if following == "end":
            return self.token.first
        return following in ("name", "string", "{", "bad") or following in KEYWORDS

    def misspelled(self, *, shaped: bool) -> str | None:
        """The keyword that the next token was meant to be; if `shaped`, only where a declaration by that
        keyword follows on it."""
        token, following = self.token, self.peek()
        if not token.first:
            return None
        if shaped and following.kind not in ("name", "string", "{"):
            return None
        found = _ELSEWHERE.get(token.text.lower()) or closest(token.text.lower(), sorted(DECLARATIONS))
        if found is None and token.text.lower() in DECLARATIONS:
            found = token.text.lower()
        if found is None or not shaped:
            return found
        if found in ("request", "candidate"):
            fits = following.kind == "{"
        elif found in ("import", "namespace"):
            fits = following.kind == ("string" if found == "import" else "name")
        else:
            fits = following.kind == "name" and self.peek(2).kind in _SHAPES[found]
        return found if fits else None

    def repair(self, keyword: str) -> None:
        """Reads the next token, a misspelled word, as `keyword`."""
        token = self.token
        self.tokens[self.index] = token._replace(kind=keyword)

    def at_item(self) -> bool:
        """Whether a field or a model's item seems to begin here: first of its line, `name :`, `label x` …"""
        token, following = self.token, self.peek()
        if not token.first:
            return False
        if token.kind in ("label", "output"):
            return following.kind == "name"
        if token.kind == "name":
            return following.kind in (":", "=", "name")
        return token.kind in KEYWORDS and following.kind in (":", "=")

    def skip_to_declaration(self, start: int) -> None:
        """Goes on behind the faulty declaration that begins at token `start`."""
        while self.kind != "end" and (self.index == start or not self.at_declaration()):
            self.index += 1
        self._remember_names(start)

    def skip_to_item(self, start: int) -> None:
        """Goes on at the next item of a block, at its `}`, or at the next declaration."""
        depth = 0
        while self.kind != "end" and not self.at_declaration():
            if depth <= 0 and (self.kind == "}" or (self.index > start and self.at_item())):
                break
            depth += (self.kind == "{") - (self.kind == "}")
            self.index += 1
        if self.tokens[start].kind == "name":
            self.broken_names.add(self.tokens[start].text)
        self._remember_names(start)

    def _remember_names(self, start: int) -> None:
        for i in range(start, min(self.index, len(self.tokens) - 1)):
            if self.tokens[i].kind == "name" and (
                self.tokens[i + 1].kind in (":", "=", "(", "{", "of", "from", "per")
                or (i > 0 and self.tokens[i - 1].kind in DECLARATIONS)
            ):
                self.broken_names.add(self.tokens[i].text)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
