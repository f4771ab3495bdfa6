"""Text to tokens. Mistakes in the text of a token are reported here, and the rest is read on."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from featdsl.diagnostics import Diagnostics
from featdsl.source_file import SourceFile, Span
from featdsl.syntax.tree import Allow, Identifier

KEYWORDS = frozenset(
    "namespace import entity per source of sequence request candidate vocab from def let feature model "
    "label output if then else and or not in true false null fit now".split()
)

INT64_MAX = 2**63 - 1


class Token(NamedTuple):
    """`kind` is `name`, `int`, `float`, `string`, `end`, or the keyword or mark itself; `bad` is what was
    reported already.

    `value` is a literal's value; `first` says that the token is the first of its line; `doc` is the
    text of the `##` lines right before it.
    """

    kind: str
    text: str
    start: int
    end: int
    value: int | float | str | None = None
    first: bool = False
    doc: str = ""


_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\f\v\u00a0\ufeff]+)
    | (?P<line>\n)
    | (?P<comment>\#[^\n]*)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d[\d_]*)?)
    | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<mark>\?\?|\|>|\*\*|//|==|!=|<=|>=|=(?!>)|[-+*/%<>(){}\[\],:.?])
    | (?P<bad>&&?|\|\|?|=>|['`].*?['`]|[\u201c\u201d].*?[\u201c\u201d]|[\u2018\u2019].*?[\u2018\u2019]|.)
    """,
    re.VERBOSE,
)
_ALLOW = re.compile(
    r"#[ \t]*allow[ \t]+(?P<codes>[EWew]\d\w*(?:[ \t]*,[ \t]*[EWew]\d\w*)*)(?:[ \t]*[:-]+|\b)[ \t]*(?P<reason>.*)"
)
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(_\d+)*(\.\d+(_\d+)*)?([eE][+-]?\d+)?")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]*)\}|(u)|(.))", re.DOTALL)
_WRITTEN = re.compile(rf"{_ESCAPE.pattern}|.", re.DOTALL)
"""A code point of a text as it is written in a literal."""
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_OF_PATTERNS = "dDwWsSbBpPAzQ.()[]{}+*?^$|/-"
"""What follows a backslash in regular expressions."""
_ADVICE = {
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "|": "a pipe is written `|>`, and the logical operator `or`",
    "!": "write `not`",
    "=>": "write `>=` to compare, `:` in a map; an operator maps over a list by itself: `prices * 2`",
    ";": "a declaration ends where the next one begins: leave it out",
    "^": "a power is written `**`",
    '"': 'close it with a `"` on the same line; a line break inside is written `\\n`',
    "'": 'text stands in double quotes: `"text"`',
}
_MEANT = {
    "&&": "and", "&": "and", "||": "or", "!": "not", "=>": ">=", "^": "**",
    "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00d7": "*", "\u00f7": "/",
    "\u2264": "<=", "\u2265": ">=", "\u2260": "!=",
}  # fmt: skip
"""What a mistaken character stands for, so that the rest is read as it was meant."""
_SEPARATORS = (";", "\uff1b")
"""Said once a file, however many lines end with one."""
_QUOTES = "'`\u2018\u2019\u201c\u201d"


def tokens(
    file: SourceFile, diagnostics: Diagnostics, allows: list[Allow], part: tuple[int, int] | None = None
) -> list[Token]:
    """All tokens of the text, or of the part from one offset to another, the last one of kind `end`. Comments that
    silence a warning go to `allows`."""
    return _Lexer(file, diagnostics, allows).run(*(part or (0, len(file.text))))


def inside_text(span: Span, start: int, end: int) -> Span:
    """The place of the code points from `start` to `end` of a text whose literal stands at `span`, which is its last
    quote where they lie behind the text; `span` where no literal stands there."""
    written = span.file.text[span.start : span.end]
    if len(written) < 2 or written[0] != '"' or written[-1] != '"':
        return span
    places = [1 + found.start() for found in _WRITTEN.finditer(written[1:-1])] + [len(written) - 1]
    last = len(places) - 1
    first, after = places[min(start, last)], places[min(max(end, start + 1), last)]
    return Span(span.file, span.start + first, span.start + max(after, first + 1))


class _Lexer:
    def __init__(self, file: SourceFile, diagnostics: Diagnostics, allows: list[Allow]) -> None:
        self.file = file
        self.diagnostics = diagnostics
        self.allows = allows
        self._above: list[tuple[re.Match[str], int]] = []
        self.tokens: list[Token] = []
        self._separator_said = False

    def run(self, position: int, end: int) -> list[Token]:
        first = True
        doc: list[str] = []
        text, match = self.file.text, _TOKEN.match
        while found := match(text, position, end):
            kind, start = found.lastgroup, position
            position = found.end()
            if kind == "space":
                continue
            if kind == "line":
                first = True
                continue
            if kind == "comment":
                comment = found.group()
                allow = _ALLOW.fullmatch(comment)
                if allow is not None and first:
                    self._above.append((allow, start))
                elif allow is not None:
                    self._allow(allow, start, start)
                elif first and comment.startswith("##"):
                    doc.append(comment.lstrip("#").strip())
                elif first:
                    doc.clear()
                continue
            while self._above:
                self._allow(*self._above.pop(), start)
            token = self._token(kind or "bad", found.group(), start, position, first, "\n".join(doc))
            first = False
            doc.clear()
            if token is not None:
                self.tokens.append(token)
                position = token.end
        for above in self._above:
            self._allow(*above, end)
        self.tokens.append(Token("end", "", end, end, first=True))
        return self.tokens

    def _allow(self, found: re.Match[str], start: int, at: int) -> None:
        """Notes a comment that begins at `start` and silences on the line of `at`."""
        line, _ = self.file.position(at)
        span = Span(self.file, start, start + found.end())
        for code in re.finditer(r"\w+", found["codes"]):
            first = start + found.start("codes") + code.start()
            name = Identifier(code.group().upper(), Span(self.file, first, first + len(code.group())))
            self.allows.append(Allow(name, found["reason"].strip(), line, span))

    def _token(self, kind: str, text: str, start: int, end: int, first: bool, doc: str) -> Token | None:
        if kind == "word":
            return Token(text if text in KEYWORDS else "name", text, start, end, None, first, doc)
        if kind == "mark":
            return Token(text, text, start, end, None, first, doc)
        if kind == "string":
            return Token("string", text, start, end, self._unescape(text, start), first, doc)
        if kind == "number":
            return self._number(text, start, end, first, doc)
        return self._bad(text, start, end, first, doc)

    def _number(self, text: str, start: int, end: int, first: bool, doc: str) -> Token:
        tail = _WORD.match(self.file.text, end)
        if tail or not _NUMBER.fullmatch(text):
            end = tail.end() if tail else end
            text = self.file.text[start:end]
            self._error("E0105", "not a number", start, end, help=_number_help(text))
            return Token("bad", text, start, end, None, first, doc)
        digits = text.replace("_", "")
        if not digits.isdigit():
            value = float(digits)
            if value == float("inf"):
                self._error("E0106", "the number does not fit a float64", start, end)
            return Token("float", text, start, end, value, first, doc)
        if len(digits.lstrip("0")) > 19 or int(digits) > INT64_MAX + 1:
            self._error(
                "E0106",
                "the integer does not fit an int64",
                start,
                end,
                help="the largest int64 is 9_223_372_036_854_775_807; write it with `.0` for a float64",
            )
            return Token("int", text, start, end, 0, first, doc)
        return Token("int", text, start, end, int(digits), first, doc)

    def _unescape(self, text: str, start: int) -> str:
        body = text[1:-1]
        if "\\" not in body:
            return body

        def replace(found: re.Match[str]) -> str:
            code_point, _, char = found.groups()
            at = start + 1 + found.start()
            if char in _PLAIN_ESCAPES:
                return _PLAIN_ESCAPES[char]
            if code_point and len(code_point) <= 6:
                number = int(code_point, 16)
                if number < 0x110000 and not 0xD800 <= number < 0xE000:
                    return chr(number)
            help = 'the escapes are `\\n`, `\\t`, `\\"`, `\\\\` and `\\u{1F600}`'
            if char and char in _OF_PATTERNS:
                help = f"in a pattern a backslash is written twice: `\\\\{char}`"
            self._error("E0104", "not an escape", at, at + len(found.group()), help=help)
            return found.group() if char else ""

        return _ESCAPE.sub(replace, body)

    def _bad(self, text: str, start: int, end: int, first: bool, doc: str) -> Token | None:
        if text == '"':
            line_end = self.file.text.find("\n", start)
            line_end = len(self.file.text) if line_end < 0 else line_end
            self._error("E0103", "the text is not closed", start, start + 1, help=_ADVICE['"'])
            return Token("string", text, start, max(line_end, end), "", first, doc)
        if text[0] in _QUOTES and len(text) > 1:
            self._error("E0102", "text stands in double quotes", start, end, help=f'write `"{text[1:-1]}"`')
            return Token("string", text, start, end, text[1:-1], first, doc)
        if not text.isprintable():
            self._error(
                "E0102",
                f"unexpected character `U+{ord(text):04X}`",
                start,
                end,
                help="it is not seen: delete it, or write a plain space",
            )
            return None
        meant = _MEANT.get(text, "") or _ascii(text)
        advice = _ADVICE.get(text, "") or (f"write `{meant}`" if meant else "")
        if text not in _SEPARATORS or not self._separator_said:
            self._error("E0102", f"unexpected character `{text}`", start, end, help=advice)
        if text in _SEPARATORS:
            self._separator_said = True
            return None
        if text == "'":
            line_end = self.file.text.find("\n", start)
            end = len(self.file.text) if line_end < 0 else line_end
        return Token(meant or "bad", text, start, end, None, first, doc)

    def _error(self, code: str, message: str, start: int, end: int, *, help: str = "") -> None:
        self.diagnostics.error(code, message, Span(self.file, start, end), help=help)


def _ascii(text: str) -> str:
    """The mark that a character is a wide form of, as an input method writes it."""
    plain = unicodedata.normalize("NFKC", text)
    return plain if plain != text and _TOKEN.fullmatch(plain) and plain in "-+*/%<>=(){}[],:.?" else ""


def _number_help(text: str) -> str:
    if text[:2].lower() in ("0x", "0o", "0b"):
        return "write numbers in decimal, as `1_000`"
    if text[-1] in "LlfFdD" and _NUMBER.fullmatch(text[:-1]):
        return f"write `{text[:-1]}`: a number has no suffix"
    return "write numbers as `1_000`, `2.5` or `1e-3`"
