"""A server of the KServe v2 protocol without Triton's additions: no index, no configuration, no raw contents."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from online.model_server.grpc_face import FacedModel
from online.model_server.kserve_face import KServeFace
from online.model_server.opening import open_model_server
from online.models import ModelNotReady, ModelServerDown
from online.proto.kserve_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataResponse,
    ModelReadyResponse,
)
from online.versions import VersionWatcher
from tests.online.remote import SIGNATURE, loads, opened, tensors, until
from tests.online.shop import AT, REQUEST, WeightModel, bundle, serving

INFER = "/inference.GRPCInferenceService/ModelInfer"
READY = "/inference.GRPCInferenceService/ModelReady"
METADATA = "/inference.GRPCInferenceService/ModelMetadata"


class PlainServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Our own face, to which raw contents are not a request; unless `numbered` it knows of no versions."""

    def __init__(self, registry: Path, *, numbered: bool) -> None:
        self.ready = True
        self._numbered = numbered
        model = WeightModel()
        versions = VersionWatcher(f"dir://{registry}", "ranker", bundle(), model)
        versions.poll()
        self._methods = KServeFace(FacedModel(SIGNATURE, model, versions)).methods()
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        self.url = f"triton://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}/ranker"
        self._server.start()

    def service(self, details: Any) -> Any:
        method = self._methods.get(details.method)
        if method is None:
            return None

        def answer(data: bytes, context: Any) -> bytes:
            if details.method == READY and not self.ready:
                return ModelReadyResponse(ready=False).SerializeToString()  # type: ignore[no-any-return]
            if details.method == METADATA and not self._numbered:
                told = ModelMetadataResponse.FromString(method(data, 5.0))
                told.ClearField("versions")
                return told.SerializeToString()  # type: ignore[no-any-return]
            if details.method != INFER:
                return method(data, 5.0)
            if not self._numbered and ModelInferRequest.FromString(data).model_version:
                context.abort(grpc.StatusCode.NOT_FOUND, "the model has no versions")
            if ModelInferRequest.FromString(data).raw_input_contents:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "an input has no contents")
            made = method(data, 5.0)
            assert not ModelInferResponse.FromString(made).raw_output_contents
            return made

        return grpc.unary_unary_rpc_method_handler(answer)

    def stop(self) -> None:
        self._server.stop(0).wait()


@pytest.fixture(params=["numbered", "unversioned"])
def plain(registry: Path, request: pytest.FixtureRequest) -> Iterator[PlainServer]:
    server = PlainServer(registry, numbered=request.param == "numbered")
    if request.param == "unversioned":
        server.url += "?versions=none"
    yield server
    server.stop()


def test_typed_contents_go_the_whole_way(plain: PlainServer, lmdb_url: str, registry: Path) -> None:
    server = opened(typed(plain.url))
    given = tensors(5)
    like = server.predict(1, given, 30.0)["like"]
    assert like.dtype == "float32"
    assert like.tolist() == (given["dense"].sum(axis=1) * given["dense"].dtype.type(2.0)).tolist()
    with serving(lmdb_url, registry, server) as (_, client):  # type: ignore[arg-type]
        scores = client.score({"shopper": 1, "item": ["a", "d"]}, {**REQUEST, "at": AT}).scores
    with serving(lmdb_url, registry) as (_, client):
        assert client.score({"shopper": 1, "item": ["a", "d"]}, {**REQUEST, "at": AT}).scores == scores


def typed(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}contents=typed"


def test_a_model_that_is_not_ready_is_waited_for(plain: PlainServer) -> None:
    plain.ready = False
    server = open_model_server(typed(plain.url), SIGNATURE)
    try:
        with pytest.raises(ModelServerDown, match="not ready"):
            server.load(1, Path("/"))
        plain.ready = True
        until(lambda: loads(server, 1))
        assert server.has(1)
        plain.ready = False
        until(lambda: not server.has(1))
    finally:
        server.close()


def test_what_it_says_to_raw_contents_is_passed_on(plain: PlainServer) -> None:
    server = open_model_server(plain.url, SIGNATURE)
    try:
        with pytest.raises(ModelNotReady, match="an input has no contents"):
            server.load(1, Path("/"))
    finally:
        server.close()
