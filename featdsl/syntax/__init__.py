"""Text to syntax tree: `parse(file, diagnostics)`."""

from featdsl.syntax.lexer import inside_text
from featdsl.syntax.parser import parse

__all__ = ["inside_text", "parse"]
