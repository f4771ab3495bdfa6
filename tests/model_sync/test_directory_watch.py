"""Who waits for a directory is told by the kernel; where it cannot tell, time ends the wait."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_sync import directory_watch
from model_sync.directory import DirectoryBlobs
from model_sync.directory_watch import DirectoryWatch

FOREVER_S = 600.0


@pytest.fixture
def told_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what the kernel tells ends a wait."""
    monkeypatch.setattr(directory_watch, "LOOK_S", FOREVER_S)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[DirectoryWatch]:
    opened = DirectoryWatch(tmp_path / "here")
    (tmp_path / "here").mkdir()
    opened.wait(0)
    yield opened
    opened.close()


def put(folder: Path, name: str) -> None:
    (folder / "aside").write_bytes(b"1")
    (folder / "aside").replace(folder / name)


@pytest.mark.usefixtures("told_alone")
def test_what_is_renamed_into_it_ends_a_wait(watch: DirectoryWatch, tmp_path: Path) -> None:
    put(tmp_path / "here", "HEAD")
    watch.wait(FOREVER_S)
    for _ in range(3):
        waits = threading.Thread(target=watch.wait, args=(FOREVER_S,))
        waits.start()
        put(tmp_path / "here", "HEAD")
        waits.join(60)
        assert not waits.is_alive()


@pytest.mark.usefixtures("told_alone")
def test_all_that_came_ends_one_wait(watch: DirectoryWatch, tmp_path: Path) -> None:
    for number in range(2_000):
        put(tmp_path / "here", f"{number}")
    begun = time.monotonic()
    watch.wait(FOREVER_S)
    while time.monotonic() - begun < 30:
        before = time.monotonic()
        watch.wait(0.2)
        if time.monotonic() - before > 0.1:
            return
    pytest.fail("it goes on telling")


@pytest.mark.usefixtures("told_alone")
@pytest.mark.parametrize("how", ["moved", "removed"])
def test_another_directory_in_its_place_is_watched(watch: DirectoryWatch, tmp_path: Path, how: str) -> None:
    here = tmp_path / "here"
    if how == "moved":
        here.rename(tmp_path / "there")
    else:
        shutil.rmtree(here)
    watch.wait(FOREVER_S)
    watch.wait(0)
    here.mkdir()
    watch.wait(0)
    put(here, "HEAD")
    watch.wait(FOREVER_S)


def test_without_word_of_the_kernel_a_change_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_watch, "_watching", lambda folder: None)
    is_seen(tmp_path, lambda blobs: blobs.write("HEAD", b"2"))


def test_what_is_written_in_place_is_seen_though_nobody_tells(tmp_path: Path) -> None:
    is_seen(tmp_path, lambda blobs: (blobs.root / "HEAD").write_bytes(b"by hand"))


def is_seen(folder: Path, change: Callable[[DirectoryBlobs], object]) -> None:
    """That a change of HEAD ends a wait before its time."""
    blobs = DirectoryBlobs(folder / "registry", create=True)
    blobs.write("HEAD", b"1")
    blobs.wait(60)
    writer = threading.Timer(0.1, change, (blobs,))
    writer.start()
    begun = time.monotonic()
    blobs.wait(60)
    assert time.monotonic() - begun < 30
    writer.join()
    assert blobs.read("HEAD") != b"1", "it was the change that ended it"
    blobs.close()


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_one_that_is_not_used_any_more_holds_nothing(tmp_path: Path, how: str) -> None:
    before = watches()
    watch = DirectoryWatch(tmp_path)
    watch.wait(0)
    assert watches() == before + 1
    if how == "closed":
        watch.close()
        watch.wait(0)
        watch.close()
    else:
        del watch
    assert watches() == before


def test_who_still_waits_while_the_interpreter_ends_has_no_fault(tmp_path: Path) -> None:
    script = """
import atexit, pathlib, sys, threading, time
atexit.register(time.sleep, 0.3)
from model_sync.directory_watch import DirectoryWatch
watch = DirectoryWatch(pathlib.Path(sys.argv[1]))
watch.wait(0)
def waits():
    while True:
        watch.wait(1)
threading.Thread(target=waits, daemon=True).start()
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def watches() -> int:
    """How many this process has."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}") == "anon_inode:inotify"
    return found
