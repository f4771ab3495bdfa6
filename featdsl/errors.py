"""Errors that are somebody's to mend: `feat` prints them without a traceback."""

from __future__ import annotations


class FeatError(Exception):
    """`message`: lower case, no final period, values last. `help`: what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class InputError(FeatError):
    """A file, a row or an argument is at fault (exit code 1)."""


class ServiceError(FeatError):
    """A service that is needed is not there (exit code 3)."""

    exit_code = 3
