"""From text to a checked program: `check(path)`."""

from featdsl.check.program import CheckResult, check

__all__ = ["CheckResult", "check"]
