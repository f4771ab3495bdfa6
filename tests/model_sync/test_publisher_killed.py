"""A publisher that is killed at each operation of a publish, and two that race for HEAD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.model_sync import killed_publisher
from tests.model_sync.forks import CONTEXT


def outcome(folder: Path, what: str, *arguments: Any) -> Any:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=killed_publisher.run, args=(theirs, folder, what, *arguments))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


@pytest.mark.parametrize("done_before", [False, True])
def test_a_killed_publisher_leaves_a_whole_version(tmp_path: Path, done_before: bool) -> None:
    """HEAD names the version before or the new one, and whoever takes over goes on."""
    killed, moved = outcome(tmp_path, "die_everywhere", done_before)
    assert killed > 8
    assert moved == (1 if done_before else 0)


def test_of_two_publishers_that_race_one_wins(tmp_path: Path) -> None:
    assert outcome(tmp_path, "race", 6) == 6
