"""What benchmarks are built on, and no type can tell: that it still fits what it measures."""

from __future__ import annotations

from pathlib import Path

from benchmarks.call.shop import shop
from benchmarks.in_process import InProcess
from online.proto.scorer_pb2 import ScoreAnswer
from store.interface import open_store


def test_a_call_in_one_process_is_answered_with_and_without_a_cache(tmp_path: Path) -> None:
    catalogue = shop(20, 3)
    url = f"lmdb://{tmp_path / 'rows'}"
    store = open_store(url, catalogue.bundle.schema.namespace, 10.0, writable=True)
    catalogue.fill(store)
    store.close()
    (request,) = catalogue.calls(1, 5)
    found = []
    for cache_mb in (0, 8):
        service = InProcess(catalogue.bundle, url, cache_mb)
        assert len(ScoreAnswer.FromString(service.answer(request)).scores) == 5
        found.append(service.tensors(request))
    assert found[0].keys() == found[1].keys()
    assert all((found[0][name] == found[1][name]).all() for name in found[0])
