"""`feat serve` and `feat score`, as people run them: real processes, a real torch model, a real store."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import torch
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from torch import Tensor, nn

from compiler.bundle import write_bundle
from featdsl.torch import save_model
from model_sync import open_registry
from online.client import ScorerClient
from online.errors import CallError, Reason
from online.messages import keys_message, value_message
from online.proto import SERVICE
from online.proto.scorer_pb2 import ScoreAnswer, ScoreRequest
from tests.online.shop import AT, PROGRAM, REQUEST, bundle

ROOT = Path(__file__).parents[2]
KEYS = {"shopper": 1, "item": ["a", "b", "d", "nothing"]}
GRACE_S = 30
"""What a server that is told to stop takes at most, unless it is told another time."""


class Ranker(nn.Module):
    """`buy` is the weight alone, so that each item of an answer shows which version made it."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, dense: Tensor, tags: Tensor, shopper_once: Tensor) -> dict[str, Tensor]:
        like = dense.sum(1) * self.weight + tags.sum(1) * 0 + shopper_once.sum() * 0
        return {"like": like, "buy": dense[:, 0] * 0 + self.weight}


def feat(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "featdsl.cli", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not check or done.returncode == 0, done.stderr
    return done


class Served:
    """A `feat serve` in a process of its own."""

    def __init__(self, folder: Path, store: str, *options: str) -> None:
        self.folder = folder
        self.registry = f"dir://{folder / 'registry'}"
        self.log = folder / "server.log"
        self._arguments = [
            *("--bundle", folder / "shop.featb", "--store", store, "--registry", self.registry),
            *("--port-file", folder / "port", *options),
        ]
        self.start()

    def start(self) -> None:
        (self.folder / "port").unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "featdsl.cli", "serve", *map(str, self._arguments)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        assert self.line, self.log.read_text()
        self.address = f"127.0.0.1:{(self.folder / 'port').read_text().strip()}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(GRACE_S + 15)


def wait_for_version(client: ScorerClient, version: int, seconds: float = 10.0) -> None:
    give_up = time.monotonic() + seconds
    while client.score(KEYS, REQUEST).version != version:
        assert time.monotonic() < give_up, client.models()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    folder = tmp_path_factory.mktemp("saved")
    return {weight: save_model(Ranker(weight), bundle(), folder / str(weight)) for weight in (1.0, 2.0, 4.0)}


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, saved: dict[float, Path], lmdb_url: str
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shared")
    write_bundle(bundle(), folder / "shop.featb")
    feat("publish", saved[1.0], "--registry", f"dir://{folder / 'registry'}")
    server = Served(folder, lmdb_url)
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path, saved: dict[float, Path]) -> Path:
    """A bundle, and a registry whose version 1 has the weight 1."""
    write_bundle(bundle(), tmp_path / "shop.featb")
    feat("publish", saved[1.0], "--registry", f"dir://{tmp_path / 'registry'}")
    return tmp_path


@pytest.fixture
def served(folder: Path, lmdb_url: str) -> Iterator[Served]:
    server = Served(folder, lmdb_url)
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


def test_it_switches_under_load_and_refuses_what_is_damaged(served: Served, saved: dict[float, Path]) -> None:
    assert "for shop/ranker, version 1" in served.line
    weights, answered, done = {1: 1.0, 2: 2.0, 3: 4.0}, [], threading.Event()

    def ask() -> None:
        with ScorerClient(served.address) as own:
            while not done.is_set():
                answer = own.score(KEYS, {**REQUEST, "at": AT}, want_outputs=True)
                answered.append((answer.version, answer.scores, set(answer.outputs["buy"])))

    with ScorerClient(served.address) as client, ThreadPoolExecutor(4) as pool:
        first = client.score(KEYS, {**REQUEST, "at": AT})
        asking = [pool.submit(ask) for _ in range(4)]
        feat("publish", saved[2.0], "--registry", served.registry)
        wait_for_version(client, 2)
        feat("rollback", "--to", 1, "--registry", served.registry)
        wait_for_version(client, 1)
        feat("publish", saved[4.0], "--registry", served.registry)
        wait_for_version(client, 3)
        done.set()
        for one in asking:
            one.result()
    assert {version for version, _, _ in answered} == {1, 2, 3}
    for version, scores, buys in answered:
        assert buys == {weights[version]}
        assert scores == pytest.approx([weights[version] * score for score in first.scores], rel=1e-6)

    children = child_processes(served.process.pid)
    served.stop(signal.SIGKILL)
    (chunk,) = open_registry(served.registry).version(3).files["parameters.safetensors"].chunks
    parameters = served.folder / "registry" / "chunks" / chunk.sha256
    damaged = bytearray(parameters.read_bytes())
    damaged[-1] ^= 1
    parameters.write_bytes(damaged)
    served.start()
    with ScorerClient(served.address) as client:
        assert client.score(KEYS, {**REQUEST, "at": AT}) == first, "HEAD is refused, its parent was 1"
        states = {v.version: v for v in client.models().models[0].versions}
    assert states[3].state == "refused"
    assert "checksum" in states[3].reason
    assert "checksum" in served.log.read_text()
    assert "checksum" in feat("versions", "--registry", served.registry).stdout
    assert not any(alive(child) for child in children), "the killed server's model processes live on"


def test_the_model_process_dies_and_comes_back(shared: Served) -> None:
    with ScorerClient(shared.address) as client:
        before = client.score(KEYS, {**REQUEST, "at": AT})
        for child in child_processes(shared.process.pid):
            os.kill(child, signal.SIGKILL)
        give_up = time.monotonic() + 20
        while True:
            try:
                # longer than it takes to load torch anew on a busy machine
                assert client.score(KEYS, {**REQUEST, "at": AT}, timeout_s=60) == before
                break
            except CallError as failed:
                assert failed.reason is Reason.MODEL_SERVER_DOWN, failed  # noqa: PT017
                assert time.monotonic() < give_up
                time.sleep(0.05)


def test_told_to_stop_it_answers_what_is_in_flight(served: Served) -> None:
    items = ["a", "d"] * 2500
    keys = {name: keys_message(given) for name, given in {"shopper": 1, "item": items}.items()}
    request = ScoreRequest(keys=keys, request={n: value_message(v) for n, v in REQUEST.items()})
    with grpc.insecure_channel(served.address) as channel:
        ask = channel.unary_unary(f"/{SERVICE}/Score", ScoreRequest.SerializeToString, ScoreAnswer.FromString)
        ask(request)
        calls = [ask.future(request, timeout=30) for _ in range(24)]  # all of them are on their way
        time.sleep(0.02)
        assert served.stop(signal.SIGTERM) == 0
        answers = [call.result() for call in calls]
    assert [len(answer.scores) for answer in answers] == [len(items)] * 24
    assert "Traceback" not in served.log.read_text()
    assert not (served.folder / "port").exists()


def test_the_server_loads_no_torch_and_no_spark(shared: Served) -> None:
    with ScorerClient(shared.address) as client:
        client.score(KEYS, REQUEST)
    assert "libtorch" not in Path(f"/proc/{shared.process.pid}/maps").read_text()
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in child_processes(shared.process.pid)]
    assert any("libtorch" in loaded for loaded in maps)


def test_a_client_of_any_kind_needs_no_deadline(shared: Served) -> None:
    """It learns the messages by reflection, and calls as `grpcurl` does."""
    with grpc.insecure_channel(shared.address) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName(SERVICE).FindMethodByName("Score")
        answer = message_factory.GetMessageClass(method.output_type)
        request = json_format.ParseDict(
            {
                "keys": {
                    "shopper": {"integers": {"values": [1]}},
                    "item": {"strings": {"values": ["a", "d"]}},
                },
                "request": {"country": {"stringValue": "NL"}},
            },
            message_factory.GetMessageClass(method.input_type)(),
        )
        call = channel.unary_unary(
            f"/{SERVICE}/Score", lambda message: message.SerializeToString(), answer.FromString
        )
        assert len(call(request).scores) == 2


def test_feat_score_shows_a_table(shared: Served) -> None:
    score = ("score", "--address", shared.address, "--user", 1, "--items", "a,b,d,nothing", "--request")
    done = feat(*score, "country=NL", "--request", "at=2020-09-13T12:26:40", "--outputs", "--timings")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["item", "score", "status", "like", "buy"]
    assert lines[1].split()[0] == "a"
    assert lines[3].split()[2] == "missing"
    assert "dropped by keep: b" in done.stdout
    assert f"ranker version 1, program {bundle().fingerprint[:16]}" in done.stdout
    answer = json.loads(feat(*score, "country=NL", "--top", 1, "--json").stdout)
    assert answer["items"] == ["d"]
    assert answer["dropped_items"] == ["b"]
    assert "ms in the server: queue " in done.stdout
    assert ", admit " in done.stdout
    explained = feat(*score, "country=NL", "--explain", "--request", "at=2020-09-13T12:26:40")
    assert "2020-09-13T12:26:40+00:00" in explained.stdout
    assert "maker.founded, request.at" in explained.stdout
    shown = next(line for line in explained.stdout.splitlines() if line.startswith("goods  "))
    assert shown.split()[2] == "ok"
    assert len(shown.split()[3]) == 16, "the writer schema's fingerprint"
    assert json.loads(feat(*score, "country=NL", "--explain", "--json").stdout)[0]["item"] == "a"
    columns = feat(*score, "country=NL", "--candidate", "boost=0,0,1e6,0", "--top", 1).stdout
    assert columns.splitlines()[1].split()[0] == "d"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--request", "cuntry=NL"], "did you mean `country`?"),
        (["--request", "country"], "takes NAME=VALUE"),
        ([], "must be in the call: country"),
        (["--request", "country=NL", "--request", "at=noon"], "`request.at` is timestamp: noon"),
        (["--request", "country=NL", "--candidate", "chanel=x"], "did you mean `channel`?"),
        (["--request", "country=NL", "--candidate", "channel=x,y"], "2 values for 1 candidates"),
        (["--request", "country=NL", "--model", "rankr"], "it serves `ranker`"),
        (["--request", "country=NL", "--key", "shoper=1"], "did you mean `shopper`?"),
    ],
)
def test_feat_score_says_what_is_wrong(shared: Served, arguments: list[str], said: str) -> None:
    done = feat("score", "--address", shared.address, "--user", 1, "--items", "a", *arguments, check=False)
    assert done.returncode == 1
    assert said in done.stderr


def test_feat_score_without_a_server() -> None:
    done = feat("score", "--address", "127.0.0.1:1", "--user", 1, "--items", "a", check=False)
    assert done.returncode == 3
    assert "no scoring server answers: 127.0.0.1:1" in done.stderr


def test_feat_serve_says_what_is_missing(tmp_path: Path, lmdb_url: str) -> None:
    registry = f"dir://{tmp_path / 'none'}"
    good = {"--program": str(PROGRAM), "--store": lmdb_url, "--registry": registry}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for change, code, said in (
            ({"--program": str(tmp_path / "no.feat")}, 1, "no such program"),
            ({"--program": __file__}, 1, "mistakes"),
            ({"--store": "ldmb://x"}, 1, "no known scheme"),
            ({"--registry": "ftp://x"}, 1, "not a registry"),
            ({"--model": "rankr"}, 1, "no such model: rankr"),
            ({"--store": ""}, 1, "--store"),
            ({"--port": str(port)}, 1, f"cannot listen on 127.0.0.1:{port}"),
            ({"--threads": "0"}, 1, "--threads must be 1 or more"),
        ):
            options = [part for option in {**good, **change}.items() for part in option]
            done = feat("serve", *options, check=False)
            assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_without_store_and_model_it_starts_and_says_so(tmp_path: Path) -> None:
    write_bundle(bundle(), tmp_path / "shop.featb")
    server = Served(tmp_path, f"lmdb://{tmp_path / 'later'}")
    assert "not serving" in server.line
    with ScorerClient(server.address) as client:
        with pytest.raises(CallError) as failed:
            client.score(KEYS, REQUEST)
        assert failed.value.reason is Reason.NO_MODEL_YET
        assert not client.models().store_ok
    assert server.stop(signal.SIGINT) == 0


def child_processes(pid: int) -> list[int]:
    """All processes below one."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it is gone, or a thread of it
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found + [below for child in found for below in child_processes(child)]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False
