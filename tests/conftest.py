"""Fixtures that more than one room's tests need."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One Spark for all tests of a process: two cores, small shuffles."""
    from offline.session import open_session

    settings = {"spark.sql.shuffle.partitions": "2", "spark.driver.memory": "2g"}
    interrupted = signal.getsignal(signal.SIGINT)
    session = open_session("tests", master="local[2]", settings=settings, small=True)
    yield session
    session.stop()
    signal.signal(signal.SIGINT, interrupted)  # pyspark's own asks the session, which is no more
