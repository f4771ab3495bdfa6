"""What people write who come from Python, SQL or C, and how it is written here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from featdsl.syntax.lexer import Token

_CONDITION = "a condition is written `if a then b else c`"
_COMMENT = "a comment begins with `#`"
_MAPS = "an operator maps over a list by itself: `lower(genres)`"
_JOIN = "join texts with `concat(a, b)`"
_WHERE = "what meets a condition is `filter(list, condition)` or `mean_where(list, condition)`"

_WORDS = {
    "as": "a cast is a call: `int64(x)`",
    "between": "write `between(x, low, high)`",
    "case": _CONDITION,
    "elif": "write `else if`",
    "elseif": "write `else if`",
    "elsif": "write `else if`",
    "end": "leave `end` out",
    "for": _MAPS,
    "if": _CONDITION,
    "lambda": f"{_MAPS}; a `def` names an expression",
    "like": 'write `like(text, "%part%")`',
    "mod": "write `a % b`",
    "when": _CONDITION,
    "where": _WHERE,
    "xor": "write `a != b`",
}
_OPENING = {")": "(", "]": "[", "}": "{"}


def advice(tokens: Sequence[Token], index: int, *, operand: bool) -> str:
    """How to write what the token at `index` was meant for, or nothing. `operand` says that an operand
    was wanted there, not an operator."""
    token, following = tokens[index], tokens[min(index + 1, len(tokens) - 1)]
    previous = tokens[index - 1] if index else token
    line = tokens[max(0, index - 4) : index]
    if (
        token.kind in ("name", "int")
        and not operand
        and any(t.kind == "//" for t in line)
        and not token.first
    ):
        return f"`//` divides; {_COMMENT}"
    if index > 1 and (whole := _whole_number(tokens[index - 2 : index])):
        return whole
    if operand:
        return _instead_of_operand(token, previous, following)
    if token.kind == "name" and previous.text in ("lambda", "case") and previous.kind == "name":
        return _WORDS[previous.text]
    if token.kind == "[":
        return _instead_of_index(tokens[index + 1 : index + 8])
    return _instead_of_operator(token, previous, following)


def _instead_of_index(inside: Sequence[Token]) -> str:
    """How to write what `x[…]` was meant for."""
    kinds = [t.kind for t in inside]
    until = kinds.index("]") if "]" in kinds else len(kinds)
    if ":" in kinds[:until]:
        return "a part of a list is `slice(list, 1, 3)`, its end `take_last(list, 5)`"
    if kinds[:1] == ["string"]:
        return "the value of a key is `get(map, key)`"
    element = "an element is `at(list, 0)`; positions count from 0"
    return f"{element}; the value of a key is `get(map, key)`" if kinds[:1] == ["name"] else element


def _formatted(text: str) -> str:
    """The call that makes what Python's f-string `text` does."""
    values = [found.partition(":") for found in re.findall(r"\{([^{}]*)\}", text)]
    pattern = re.sub(r"\{[^{}:]*(:\.\d+f)?[^{}]*\}", r"{\1}", text)
    arguments = ", ".join([f'"{pattern}"', *(value for value, _, _ in values)])
    return f"write `format({arguments})`"


def _instead_of_operand(token: Token, previous: Token, following: Token) -> str:
    both = previous.text + token.text
    if both in ("===", "!=="):
        return f"write `{both[:2]}`"
    if both == "<>":
        return "write `!=`"
    if both == "->":
        return "a field is written `source.field`"
    if both in ("/*", "**/"):
        return _COMMENT
    if token.kind == "=" and previous.kind in ("+", "-", "*", "/"):
        return "a name is declared once: nothing is added to it"
    if token.kind == "+":
        return "leave the `+` out"
    if token.kind == "." and following.kind == "int":
        return f"write `0.{following.text}`"
    return ""


def _whole_number(tokens: Sequence[Token]) -> str:
    """How to write a float that has no digits behind its point, if the last two tokens are one."""
    number, dot = tokens
    joined = number.kind == "int" and dot.kind == "." and number.end == dot.start
    return f"write `{number.text}.0`" if joined else ""


def _instead_of_operator(token: Token, previous: Token, following: Token) -> str:
    kind = token.kind
    if kind == "=":
        return "write `==` to compare"
    if kind == "?":
        return "write `a ?? b` to replace null" if following.kind == ":" else _CONDITION
    if kind == "(" and previous.kind == "name":
        return f"an operator stands first, or after `|>`: `{previous.text}(x)`, `x |> {previous.text}`"
    if kind == "(":
        return "only a name can be called: `f(x)`"
    if kind == "not" and following.kind == "in":
        return "write `not (x in list)`"
    if kind == "string" and previous.text in ("f", "F") and previous.end == token.start:
        return _formatted(token.text[1:-1])
    if kind == "string" and (previous.kind == "string" or previous.end == token.start):
        return _JOIN
    if kind == "," and previous.kind == following.kind == "int" and len(following.text) == 3:
        return f"digits are grouped with `_`: `{previous.text}_{following.text}`"
    if kind in _OPENING:
        return f"leave it out: no `{_OPENING[kind]}` is open here"
    if token.text == "is":
        return "write `not is_null(x)`" if following.kind == "not" else "write `is_null(x)`"
    if kind == "name" and token.text.lower() in _WORDS:
        return _WORDS[token.text.lower()]
    infix = kind == "name" and not token.first and len(token.text) > 2
    if infix and following.kind in ("name", "string", "int", "float", "["):
        return f"an operator is called: `{token.text}(a, b)`"
    return _WORDS["if"] if kind == "if" else ""
