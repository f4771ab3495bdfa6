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


def without_password(url: str) -> str:
    """A service's URL as it may stand in messages and logs."""
    from urllib.parse import urlsplit

    try:
        password = urlsplit(url).password
    except ValueError:
        return url.partition("://")[0] + "://…"
    if password is not None:
        url = url.replace(f":{password}@", ":…@", 1)
    base, mark, options = url.partition("?")
    return base + mark + "&".join(_hidden(option) for option in options.split("&"))


def _hidden(option: str) -> str:
    name, mark, _ = option.partition("=")
    return f"{name}=…" if mark and name.endswith(("password", "secret", "_key", "token")) else option
