"""Model servers that are not ours, over TLS: real ones, which want to see who asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from featdsl.errors import InputError
from online.model_server.opening import open_model_server
from online.models import ModelServerDown
from tests.certificates import Certificates, certificates
from tests.online.remote import (
    SIGNATURE,
    RemoteServer,
    TensorFlowServer,
    TritonServer,
    opened,
    running,
    tensors,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["tfs", "triton"])
def secure(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, files: Certificates
) -> Iterator[RemoteServer]:
    folder = tmp_path_factory.mktemp(request.param)
    options = ["--tls", *map(str, (files.server_key, files.server, files.ca))]
    server: RemoteServer
    if request.param == "tfs":
        server = TensorFlowServer(folder, request.getfixturevalue("stock"), *options)
    else:
        server = TritonServer(folder, *options)
    server.credentials = grpc.ssl_channel_credentials(
        *(file.read_bytes() for file in (files.ca, files.client_key, files.client))
    )
    server.put(1, 2.0)
    with running(server):
        yield server


def test_a_model_answers_over_tls(secure: RemoteServer, files: Certificates) -> None:
    shown = f"cert={files.client}&key={files.client_key}"
    server = opened(f"{secure.url}?ca={files.ca}&{shown}")
    try:
        given = tensors(3)
        assert server.predict(1, given, 30.0)["like"].tolist() == pytest.approx(
            (given["dense"].sum(axis=1) * 2).tolist(), rel=1e-5
        )
    finally:
        server.close()
    localhost = secure.url.replace("127.0.0.1", "localhost")
    opened(f"{localhost}?ca={files.ca}&{shown}&name=localhost").close()


@pytest.mark.parametrize(
    "options", ["ca={ca}", "ca={other_ca}&{shown}", "tls=on", "ca={ca}&{shown}&name=elsewhere", ""]
)
def test_who_is_not_known_hears_nothing(secure: RemoteServer, files: Certificates, options: str) -> None:
    shown = f"cert={files.client}&key={files.client_key}"
    query = options.format(ca=files.ca, other_ca=files.other_ca, shown=shown)
    server = open_model_server(f"{secure.url}?{query}" if query else secure.url, SIGNATURE)
    try:
        with pytest.raises(ModelServerDown, match=secure.address):
            server.load(1, Path("/"))
    finally:
        server.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("tls=off", "not a value of the option tls: `off`"),
        ("cert={client}", "needs its key"),
        ("key={client_key}", "needs its key"),
        ("ca={folder}/none.pem", "does not read"),
        ("ca={program}", "is not PEM"),
        ("ca=", "not a value of the option ca"),
    ],
)
def test_options_that_cannot_be(files: Certificates, query: str, said: str) -> None:
    places = {name: getattr(files, name) for name in ("client", "client_key")}
    text = query.format(folder=files.folder, program=__file__, **places)
    with pytest.raises(InputError, match=said):
        open_model_server(f"triton://localhost/shop?{text}", SIGNATURE)
