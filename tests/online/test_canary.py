"""Labels as a server follows them: another version than HEAD's, and one for a share of the users."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from model_sync import open_registry
from model_sync.labels import CANARY, promote, remove_label
from model_sync.replicas import replicas
from online.canary import is_in_share
from online.errors import CallError
from online.versions import VersionWatcher
from tests.online.shop import AT, WeightModel, bundle, publish


class Setting:
    def __init__(self, folder: Path, label: str = "") -> None:
        self.folder = folder
        self.url = f"dir://{folder}/registry"
        self.models = WeightModel()
        self.watcher = VersionWatcher(self.url, "ranker", bundle(), self.models, kept=0, label=label)

    def publish(self, weight: float) -> int:
        return publish(self.folder / "registry", self.folder / "models", weight)

    def version_of(self, user: str) -> int:
        with self.watcher.pin(user=user) as serving:
            assert self.models.weights[serving.handle] == float(serving.version)
            return serving.version


def test_a_share_of_the_users_gets_the_canary(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    for weight in (1.0, 2.0):
        setting.publish(weight)
    registry = open_registry(setting.url)
    registry.rollback(1, now_us=AT)
    promote(registry, 2, CANARY, share=0.25, now_us=AT)
    setting.watcher.poll()
    users = [f"user {i}" for i in range(4000)]
    first = {user: setting.version_of(user) for user in users}
    assert 0.22 < sum(v == 2 for v in first.values()) / len(users) < 0.28
    assert setting.version_of("") == 1, "a call without a user is nobody's"
    assert {user: setting.version_of(user) for user in users} == first, "each user keeps the version"

    promote(registry, 2, CANARY, share=0.5, now_us=AT)
    setting.watcher.poll()
    assert all(setting.version_of(user) == 2 for user, was in first.items() if was == 2)
    setting.publish(3.0)
    setting.watcher.poll()
    assert {setting.version_of(user) for user in users} == {2, 3}
    (told,) = replicas(registry, now_us=time.time_ns() // 1000)
    assert (told.serves, told.holds) == (3, (2, 3))
    remove_label(registry, CANARY)
    setting.watcher.poll()
    assert {setting.version_of(user) for user in users} == {3}
    assert set(setting.models.weights) == {3}


def test_a_canary_that_is_refused_harms_nobody(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.publish(1.0)
    publish(tmp_path / "registry", tmp_path / "models", "not a number")
    registry = open_registry(setting.url)
    registry.rollback(1, now_us=AT)
    promote(registry, 2, CANARY, share=1.0, now_us=AT)
    setting.watcher.poll()
    assert "the canary, version 2, is not loaded" in setting.watcher.problem
    assert setting.version_of("anybody") == 1


def test_a_server_follows_a_label(tmp_path: Path) -> None:
    setting = Setting(tmp_path, "stable")
    for weight in (1.0, 2.0, 3.0):
        setting.publish(weight)
    setting.watcher.poll()
    assert setting.watcher.problem == "no version has the label stable"
    with pytest.raises(CallError):
        setting.version_of("anybody")
    registry = open_registry(setting.url)
    for number in (2, 1, 3):
        promote(registry, number, "stable", now_us=AT)
        setting.watcher.poll()
        assert setting.version_of("anybody") == number
    setting.publish(4.0)
    remove_label(registry, "stable")
    setting.watcher.poll()
    assert setting.version_of("anybody") == 3, "it serves on"


@pytest.mark.parametrize("share", [0.01, 0.1, 0.9])
def test_shares(share: float) -> None:
    users = [str(i) for i in range(20_000)]
    assert abs(sum(is_in_share(user, share) for user in users) / len(users) - share) < 0.01
    assert not any(is_in_share(user, 0.0) for user in users)
    assert all(is_in_share(user, 1.0) for user in users)
