"""The only place that builds a Spark session."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.spark.settings import EXACT
from featdsl.errors import InputError, ServiceError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "4g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-Xss8m",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "8192",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.shuffle.partitions": "64",
    "spark.sql.adaptive.coalescePartitions.minPartitionSize": "64k",
    "spark.log.level": "ERROR",
}

_QUICK = {"spark.driver.extraJavaOptions": "-Xss8m -XX:TieredStopAtLevel=1"}
"""What a small job wants: a JVM that compiles once and quickly. It halves the processor time of one of some seconds."""

_MASTER_TIMEOUT_S = 5.0
_MASTER = re.compile(r"local(\[(\*|[1-9]\d*)(, *[1-9]\d*)?\])?|local-cluster\[.*\]|(spark|k8s)://.+|yarn")


def open_session(
    name: str, *, master: str | None = None, settings: Mapping[str, str] | None = None, small: bool = False
) -> SparkSession:
    """A session on `master` (default: all cores of this machine), for a job that is `small` or not. `settings` (with
    or without the leading `spark.`) override the defaults, but not what exactness needs. Errors: `ServiceError` where
    pyspark or Java is not there, or the master does not answer; `InputError` where an exactness setting is
    overridden."""
    given = {
        key if key.startswith("spark.") else f"spark.{key}": value for key, value in (settings or {}).items()
    }
    for key, wanted in EXACT.items():
        if given.get(key, wanted) != wanted:
            raise InputError(
                f"the Spark setting `{key}` must be {wanted}: {given[key]}", help=f"take {key} out"
            )
    _need_java()
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise ServiceError("pyspark is not installed", help="pip install 'featdsl[spark]'") from None

    target = master or given.pop("spark.master", None) or "local[*]"
    given.pop("spark.master", None)
    _need_master(target)
    defaults = {**_DEFAULTS, **_QUICK} if small else dict(_DEFAULTS)
    if not target.startswith("local"):
        del defaults["spark.driver.host"]
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    # The workers import the same rooms as this process; on other machines the package must be installed.
    home = str(Path(__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [home, *_others(home)]))
    builder = SparkSession.builder.appName(f"feat {name}").master(target)
    for key, value in {**defaults, "spark.executorEnv.PYTHONPATH": home, **given, **EXACT}.items():
        builder = builder.config(key, value)
    log = Path(tempfile.gettempdir(), f"feat-spark-{os.getpid()}.log")
    try:
        with _stderr_into(log):
            session = builder.getOrCreate()
    except Exception as error:  # py4j has its own errors for what the JVM throws while it starts
        raise ServiceError(
            f"Spark did not start on {target}: {_first_line(error)}", help=f"its log: {log}"
        ) from None
    session.sparkContext.setLogLevel(given.get("spark.log.level", "ERROR"))
    return session


@contextmanager
def _stderr_into(log: Path) -> Iterator[None]:
    """While the JVM starts it inherits standard error: what it writes there goes to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _others(home: str) -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and part != home]


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if (home and Path(home, "bin", "java").exists()) or shutil.which("java"):
        return
    raise ServiceError(
        "Spark needs Java 17 or later, and there is no `java`",
        help="apt-get install openjdk-17-jre-headless (or set JAVA_HOME)",
    )


def _need_master(target: str) -> None:
    """Spark itself would try for more than a minute, and says what it does not know in Java's words."""
    if not _MASTER.fullmatch(target):
        raise InputError(
            f"this is no master of Spark: {target}",
            help="such as local[*], local[4], spark://host:7077, yarn or k8s://https://host:443",
        )
    if not target.startswith("spark://"):
        return
    masters = target.removeprefix("spark://").split(",")
    for master in masters:
        host, _, port = master.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=_MASTER_TIMEOUT_S):
                return
        except (OSError, ValueError):
            continue
    raise ServiceError(
        f"Spark's master does not answer: {target}", help="see --master, or [spark] in feat.toml"
    )


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__
