"""Failed Spark jobs as errors for people."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from featdsl.errors import InputError, ServiceError

T = TypeVar("T")

_INPUT = ("featdsl.errors.InputError: ", "[USER_RAISED_EXCEPTION] ", "engine._engine.EngineError: ")
_SERVICE = ("store.interface.StoreUnavailable: ", "featdsl.errors.ServiceError: ")


def run_job(job: Callable[[], T]) -> T:
    """Runs a job. Errors: `InputError` with the executor's own words where rows are at fault, `ServiceError`
    where a service is, which a task needs."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        return job()
    except (PySparkException, Py4JJavaError) as error:
        text = str(error)
    for marks, kind in ((_SERVICE, ServiceError), (_INPUT, InputError)):
        for mark in marks:
            if mark in text:
                words = text.split(mark, 1)[1].splitlines()[0]
                raise kind(words.partition(" SQLSTATE")[0].rstrip(". ")) from None
    raise InputError(f"the Spark job failed: {why(text)}") from None


@contextmanager
def told_plainly() -> Iterator[None]:
    """What Spark says of a whole command, in a line. Errors: `InputError`."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    # It would print the Java stack of what is told here in a line.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise InputError(f"the Spark job failed: {why(str(error))}") from None


def why(text: str) -> str:
    """Of an error of Spark's the line that says why, without Java's names: the last cause, else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    line = causes[-1] if causes else lines[0] if lines else "no reason is given"
    line = re.sub(r"^Caused by: (?:[\w$]+\.)+[\w$]+: ", "", line)
    return re.sub(r" SQLSTATE: \w+.*$", "", line).rstrip(". ")[:400]
