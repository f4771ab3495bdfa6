"""Versions: what serves when HEAD moves, breaks, or is mended."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from compiler.bundle import Bundle, build
from model_sync import Registry, Version, open_registry
from model_sync.version import RegistryDown
from online.errors import CallError, Reason
from online.versions import VersionWatcher, before
from tests.online.shop import PROGRAM, WeightModel, bundle, publish


class Setting:
    """A registry, a model server, and a watcher that looks when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = folder / "registry"
        self.models = WeightModel()
        self.beside: list[int] = []
        self.watcher = VersionWatcher(
            f"dir://{self.registry}", "ranker", bundle(), self.models, kept=1, also=lambda: self.beside
        )

    def publish(self, weight: object, fingerprint: str | None = None, program: Bundle | None = None) -> int:
        return publish(self.registry, self.folder / "models", weight, fingerprint, program)

    def rollback(self, to: int) -> None:
        open_registry(f"dir://{self.registry}").rollback(to, now_us=1)

    def serving(self) -> int | None:
        self.watcher.poll()
        return None if self.watcher.serving is None else self.watcher.serving.version

    def states(self) -> dict[int, str]:
        return {state.info.number: state.state for state in self.watcher.states()}

    def file(self, version: int, name: str) -> Path:
        """Where a file of a version lies; those of these tests are one chunk each."""
        if name == "manifest.json":
            return self.registry / "versions" / f"{version:06d}" / name
        (chunk,) = open_registry(f"dir://{self.registry}").version(version).files[name].chunks
        return self.registry / "chunks" / chunk.sha256


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_versions_that_are_wanted_beside_stay_loaded(setting: Setting) -> None:
    for weight in range(1, 6):
        setting.publish(float(weight))
        setting.serving()
    assert set(setting.models.weights) == {4, 5}
    setting.beside = [1, 2]
    assert setting.serving() == 5
    assert set(setting.models.weights) == {1, 2, 4, 5}
    setting.publish(6.0)
    assert setting.serving() == 6
    assert set(setting.models.weights) == {1, 2, 5, 6}
    setting.beside = [2, 9]
    assert setting.serving() == 6
    assert "version 9, which is wanted beside, is not loaded" in setting.watcher.problem
    assert set(setting.models.weights) == {2, 5, 6}
    setting.rollback(2)
    setting.beside = []
    assert setting.serving() == 2
    assert setting.watcher.problem == ""
    with setting.watcher.pin(6) as pinned:
        assert pinned.version == 6


def test_it_follows_head(setting: Setting) -> None:
    assert setting.serving() is None
    assert "there is no registry" in setting.watcher.problem
    for weight in (1.0, 2.0, 3.0):
        assert setting.serving() != setting.publish(weight)
        assert setting.models.weights.get(setting.serving() or 0) == weight
    setting.rollback(2)
    assert setting.serving() == 2
    assert setting.models.loads == [1, 2, 3], "a resident version serves again without a load"
    assert setting.watcher.problem == ""


def test_old_versions_are_unloaded_after_their_last_call(setting: Setting) -> None:
    setting.publish(1.0)
    setting.serving()
    with setting.watcher.pin() as first:
        for weight in (2.0, 3.0, 4.0):
            setting.publish(weight)
            setting.serving()
        assert first.version == 1
        assert setting.models.unloaded == [2], "1 is held by a call, 3 is kept for a rollback"
        assert setting.states() == {1: "ready", 2: "published", 3: "ready", 4: "serving"}
    setting.serving()
    assert setting.models.unloaded == [2, 1]


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("weight.txt", b"9.0", "checksum"),
        ("weight.txt", b"9", "bytes"),
        ("manifest.json", b"{", "does not read"),
    ],
)
def test_a_damaged_version_is_refused_and_the_old_one_serves_on(
    setting: Setting, name: str, damage: bytes, reason: str
) -> None:
    setting.publish(1.0)
    assert setting.serving() == 1
    setting.publish(2.0)
    whole = setting.file(2, name).read_bytes()
    setting.file(2, name).write_bytes(damage)
    assert setting.serving() == 1
    assert setting.states() == {1: "serving", 2: "refused"}
    refused = setting.watcher.states()[1]
    assert reason in refused.reason
    assert reason in setting.watcher.problem
    assert reason in open_registry(f"dir://{setting.registry}").versions()[1].refusal
    assert setting.serving() == 1
    assert setting.models.loads == [1]

    setting.file(2, name).write_bytes(whole)
    assert setting.serving() == 2, "a version that is mended is tried again"
    assert setting.states() == {1: "ready", 2: "serving"}
    assert open_registry(f"dir://{setting.registry}").versions()[1].refusal == ""


def test_a_refused_version_is_not_tried_again_before_it_changes(setting: Setting) -> None:
    setting.publish("not a number")
    for _ in range(3):
        assert setting.serving() is None
    assert setting.models.loads == [1]
    os.utime(setting.file(1, "weight.txt"), (1, 1))
    assert setting.serving() is None
    assert setting.models.loads == [1, 1]
    setting.publish(2.0)
    assert setting.serving() == 2


def test_another_program_or_model_is_refused(setting: Setting) -> None:
    setting.publish(1.0)
    setting.publish(2.0, fingerprint="ab" * 32)
    assert setting.serving() == 1
    assert "another feature program" in setting.watcher.problem
    assert "abababababab" in setting.watcher.states()[1].reason


def test_what_another_program_does_differently_is_told(setting: Setting, tmp_path: Path) -> None:
    text = PROGRAM.read_text().replace(
        "profile.visits\n", "profile.visits + 1\nfeature more = profile.visits\n"
    )
    text = text.replace("feature boost         = candidate.boost\n", "")
    (tmp_path / "other.feat").write_text(text)
    other = build(tmp_path / "other.feat")
    setting.publish(1.0)
    assert setting.serving() == 1
    setting.publish(2.0, other.fingerprint, other)
    assert setting.serving() == 1
    reason = setting.watcher.states()[1].reason
    assert reason.endswith("; changed: n_visits; added: more; removed: boost")
    assert open_registry(f"dir://{setting.registry}").versions()[1].refusal == reason


def test_a_head_that_is_gone_changes_nothing(setting: Setting) -> None:
    setting.publish(1.0)
    setting.serving()
    (setting.registry / "HEAD").unlink()
    assert setting.serving() == 1
    assert setting.watcher.problem == "the registry has no HEAD any more"


def test_a_registry_that_goes_away_while_a_version_is_unloaded_changes_nothing(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(registry: Registry, numbers: Iterable[int]) -> None:
        raise RegistryDown("the registry does not answer")

    for weight in (1.0, 2.0):
        setting.publish(weight)
        setting.serving()
    with monkeypatch.context() as patched:
        patched.setattr(Registry, "keep_local", away)
        setting.publish(3.0)
        assert setting.serving() == 3
        assert setting.models.unloaded == [1]
    setting.publish(4.0)
    assert setting.serving() == 4
    assert setting.watcher.problem == ""


@pytest.mark.parametrize(
    "fault", [OSError("the mount is gone"), RuntimeError("a fault of a library")], ids=repr
)
def test_whoever_waits_for_a_version_goes_on_after_any_fault(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    raised = threading.Event()

    def fails(registry: Registry, longest_s: float) -> None:
        raised.set()
        raise fault

    setting.publish(1.0)
    setting.watcher.start()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(Registry, "wait", fails)
            assert raised.wait(10)
        setting.publish(2.0)
        give_up = time.monotonic() + 10
        while setting.watcher.serving is None or setting.watcher.serving.version != 2:
            assert time.monotonic() < give_up, "nobody looks any more"
            time.sleep(0.01)
    finally:
        setting.watcher.stop()


def test_a_registry_that_is_made_anew_is_followed(setting: Setting) -> None:
    """Its versions have the numbers of others that are loaded."""
    for weight in (1.0, 2.0):
        setting.publish(weight)
        setting.serving()
    with setting.watcher.pin() as old:
        shutil.rmtree(setting.registry)
        assert setting.serving() == 2, "what is loaded serves on"
        assert "there is no registry" in setting.watcher.problem
        for number, weight in ((1, 7.0), (2, 8.0)):
            assert setting.publish(weight) == number
            assert setting.serving() == number
            with setting.watcher.pin() as pinned:
                assert setting.models.weights[pinned.handle] == weight
        assert setting.models.weights[old.handle] == 2.0, "a call keeps what it began with"


def test_a_server_that_starts_on_a_refused_head_serves_the_version_before(setting: Setting) -> None:
    for weight in (1.0, 2.0, "no", "number"):
        setting.publish(weight)
    assert setting.serving() == 2
    assert "version 4 is refused" in setting.watcher.problem
    assert setting.states() == {1: "published", 2: "serving", 3: "refused", 4: "refused"}


def test_a_broken_head_changes_nothing(setting: Setting) -> None:
    setting.publish(1.0)
    assert setting.serving() == 1
    (setting.registry / "HEAD").write_bytes(b"\x00garbage")
    assert setting.serving() == 1
    assert "HEAD" in setting.watcher.problem
    setting.publish(2.0)
    assert setting.serving() == 2


def test_a_call_before_the_first_version(setting: Setting) -> None:
    setting.serving()
    with pytest.raises(CallError) as failed, setting.watcher.pin():
        pass
    assert failed.value.reason is Reason.NO_MODEL_YET


@pytest.mark.parametrize(
    ("head", "parents", "named", "order"),
    [
        (1, {1: None}, [1, 0], []),
        (3, {1: None, 2: 1, 3: 2}, [3, 2], [2, 1]),
        (4, {1: None, 2: 1, 3: 2, 4: 1}, [4, 1], [1, 2]),
        (4, {1: None, 2: 1, 3: 2, 4: 1}, [4, 1, 3], [1, 3, 2]),
        (3, {1: None, 2: 1, 3: None}, [3, 2], [2, 1]),
        (3, {1: None, 2: 1, 3: None}, [1, 2, 3], [2, 1]),
        (2, {1: None, 2: None}, [2, 0], []),
        (3, {1: None, 2: 1, 3: 1}, [3, 1], [1]),
        (2, {2: 2}, [2], []),
        (5, {1: None, 5: 4}, [5, 4, 1], [1]),
        (2, {1: None, 2: 3, 3: 1}, [2, 3], [3, 1]),
    ],
)
def test_the_versions_before_head(
    head: int, parents: dict[int, int | None], named: list[int], order: list[int]
) -> None:
    versions = [Version(number, parent, "m", "f", 0) for number, parent in parents.items()]
    assert before(head, versions, named) == order


def test_what_was_never_published_never_serves(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its publisher died between the manifest and HEAD; HEAD's version cannot be read, nor that before it."""

    def dies(*_: object) -> bool:
        raise KeyboardInterrupt

    for weight, dead in ((1.0, True), (2.0, False), (3.0, True), (4.0, False), (5.0, True)):
        with monkeypatch.context() as at_head:
            if dead:
                at_head.setattr(Registry, "_swap_head", dies)
            with contextlib.suppress(KeyboardInterrupt):
                setting.publish(weight)
    assert open_registry(f"dir://{setting.registry}").numbers() == [1, 2, 3, 4, 5]
    for number in (4, 2):
        setting.file(number, "manifest.json").write_bytes(b"{")
    assert setting.serving() is None
    assert setting.states() == {1: "published", 2: "refused", 3: "published", 4: "refused", 5: "published"}


def test_a_head_whose_manifest_does_not_read_is_followed_by_what_it_named_before(setting: Setting) -> None:
    for weight in (1.0, 2.0, 3.0):
        setting.publish(weight)
    setting.file(3, "manifest.json").write_bytes(b"{")
    assert setting.serving() == 2


def test_a_version_that_the_model_server_has_not_yet_is_waited_for(setting: Setting) -> None:
    setting.publish(1.0)
    assert setting.serving() == 1
    setting.models.gone = {2}
    setting.publish(2.0)
    for _ in range(3):
        assert setting.serving() == 1
    assert setting.watcher.problem == "version 2 waits: there is no version 2 yet"
    assert [(s.state, s.reason) for s in setting.watcher.states()] == [
        ("serving", ""), ("published", "there is no version 2 yet")
    ]  # fmt: skip
    assert open_registry(f"dir://{setting.registry}").versions()[1].refusal == "", "it is no fault of its own"
    setting.models.gone = set()
    assert setting.serving() == 2
    assert setting.watcher.problem == ""


def test_of_versions_that_were_waited_for_nothing_is_left(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    setting.publish(1.0)
    assert setting.serving() == 1
    setting.models.gone = {2, 3, 4}
    for weight in (2.0, 3.0, 4.0):
        setting.publish(weight)
        assert setting.serving() == 1
        assert setting.serving() == 1
    assert [path.name[:6] for path in tmp_path.glob("featdsl-versions-*/0*")] == ["000004"]
    assert [s.reason for s in setting.watcher.states()] == ["", "", "", "there is no version 4 yet"]
    setting.models.gone = set()
    assert setting.serving() == 4
    assert not list(tmp_path.glob("featdsl-versions-*/0*"))


def test_with_nothing_to_serve_an_older_one_serves_while_head_is_waited_for(setting: Setting) -> None:
    setting.models.gone = {2}
    setting.publish(1.0)
    setting.publish(2.0)
    assert setting.serving() == 1
    assert "version 2 waits" in setting.watcher.problem


def test_a_version_that_the_model_server_loses(setting: Setting) -> None:
    """The newest before it serves; lost altogether, the last one is kept to ask, and the first that is back serves."""
    for weight in (1.0, 2.0):
        setting.publish(weight)
        assert setting.serving() is not None
    setting.models.gone = {2}
    assert setting.serving() == 1
    setting.models.gone = {1, 2}
    assert setting.serving() == 1
    assert setting.serving() == 1
    with setting.watcher.pin() as serving:
        assert serving.version == 1
    setting.models.gone = {1}
    assert setting.serving() == 2
    setting.models.gone = {2}
    assert setting.serving() == 1
    setting.models.gone = set()
    assert setting.serving() == 2
    assert setting.watcher.problem == ""
    assert set(setting.models.weights) == {1, 2}
