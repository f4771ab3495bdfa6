"""A place for registries of each kind; its server runs as long as the tests do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.model_sync.places import Place, place


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """Those that were asked for, by kind."""
    with ExitStack() as ends:

        class Places(dict[str, Place]):
            def __missing__(self, kind: str) -> Place:
                self[kind] = ends.enter_context(place(kind, tmp_path_factory.mktemp(kind)))
                return self[kind]

        yield Places()
