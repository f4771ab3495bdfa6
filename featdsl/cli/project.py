"""What the Spark commands have in common: the project file, the program, the session."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from featdsl.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from compiler.bundle import Bundle
    from offline.config import Config


def add_project_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", default="feat.toml", metavar="FILE", help="the project file (default: feat.toml)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the project file (${NAME}); may be given again",
    )


def add_spark_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--master", metavar="URL", help="Spark's master (default: local[*])")


def config_of(args: argparse.Namespace, *, needed: bool = True) -> Config | None:
    """The project file; None if it is not needed and not there."""
    from offline.config import read_config

    if not needed and not Path(args.config).exists():
        return None
    variables: dict[str, str] = {}
    for given in args.set:
        name, separator, value = given.partition("=")
        if not separator or not name:
            raise InputError(f"--set wants NAME=VALUE: {given}")
        variables[name] = value
    return read_config(args.config, variables)


def program_of(path: str) -> Bundle:
    """The program of a .feat file, or of a bundle as it was built."""
    from compiler.bundle import build, read_bundle

    if not Path(path).exists():
        raise InputError(f"there is no such program: {path}", help="a .feat file or a bundle")
    return read_bundle(path) if Path(path).is_dir() or path.endswith(".featb") else build(path)


@contextmanager
def session_of(name: str, args: argparse.Namespace, config: Config | None) -> Iterator[SparkSession]:
    """A Spark session, stopped at the end."""
    from offline.failures import told_plainly
    from offline.session import open_session
    from offline.small import is_small, tables_of

    small = is_small(tables_of(config, getattr(args, "rows", None)))
    session = open_session(name, master=args.master, settings=config.spark if config else {}, small=small)
    try:
        with told_plainly():
            yield session
    finally:
        session.stop()


def microseconds_of(option: str, text: str) -> int:
    """A time that an option gives, as microseconds since 1970. Without a zone it is in UTC."""
    import datetime

    if text.lstrip("-").isdecimal():
        return int(text)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} is not a time: {text}", help="write it as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)


def say(line: str) -> None:
    """A line of progress, on standard error."""
    print(f"… {line}", file=sys.stderr, flush=True)
