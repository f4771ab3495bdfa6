"""Options of a command that `feat.toml` may give, too: what stands on the command line comes first."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from featdsl.errors import InputError


class Given(argparse.Action):
    """As argparse's own `store`, and remembers which options were given, in `given`."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: object, option: object = None
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.given = [*getattr(namespace, "given", []), self.dest]


def remember_given(parser: argparse.ArgumentParser) -> None:
    """To be called before options are added."""
    parser.register("action", None, Given)


def with_settings(
    args: argparse.Namespace,
    settings: Mapping[str, Any],
    section: str,
    configure: Callable[[argparse.ArgumentParser], None],
    apart: Collection[str],
) -> argparse.Namespace:
    """`args` with the settings of a section for the options that were not given. A setting is named as its
    option, with `_` for `-`, and a flag is true or false; those of `apart` cannot be set so. Errors: `InputError` with
    the key."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    configure(parser)
    defaults = vars(parser.parse_args([]))
    known = sorted(set(defaults) - set(apart))
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"there is no such key in feat.toml: {section}.{name}",
                help=f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}",
            )
    try:
        options = [_option(name, value, defaults[name]) for name, value in settings.items()]
        found = vars(parser.parse_args([option for option in options if option]))
    except InputError as wrong:
        raise InputError(f"feat.toml, [{section}]: {wrong.message}") from wrong
    given = {*getattr(args, "given", []), *(name for name, value in vars(args).items() if value is True)}
    return argparse.Namespace(
        **{**vars(args), **{name: found[name] for name in settings if name not in given}}
    )


def _option(name: str, value: Any, default: Any) -> str:
    """A setting as it would be given; "" for a flag that is not set. Errors: `InputError`."""
    option = f"--{name.replace('_', '-')}"
    if value is False and default is not False:
        raise InputError(f"argument {option}: expected one argument")
    return option if value is True else "" if value is False else f"{option}={value}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise InputError(message)
