"""Text to syntax tree: `parse(file, diagnostics)`."""

from featdsl.syntax.parser import parse

__all__ = ["parse"]
