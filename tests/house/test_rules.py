"""House rules that no tool checks: what a command may load, what a folder may hold."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "numpy",
    "pyarrow",
    "pyspark",
    "torch",
    "grpc",
    "lmdb",
    "redis",
    "fastavro",
    "pandas",
    "engine",
    "tensorflow",
}


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after running `program`."""
    done = subprocess.run(
        [sys.executable, "-c", program + "\nimport sys; print(*{m.partition('.')[0] for m in sys.modules})"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


CHECK = "from featdsl.cli.main import main; main(['check', 'examples/movies/movies.feat'])"
NEEDLESS = {
    "tempfile",
    "random",
    "subprocess",
    "asyncio",
    "logging",
    "urllib.request",
    "difflib",
    "fractions",
}
"""What `feat check` has no use for on a program without mistakes, and each costs a hundredth of its time or more."""


def test_feat_check_loads_nothing_heavy_and_nothing_needless() -> None:
    assert loaded_by(CHECK) & (HEAVY | NEEDLESS) == set()


def test_feat_check_parses_no_more_of_the_library_than_a_program_calls() -> None:
    count = "\nfrom featdsl.check.standard import standard_defs as d; print(*sorted(d()._parsed), sep=',', end=' ')"
    done = subprocess.run(
        [sys.executable, "-c", CHECK + count], cwd=ROOT, capture_output=True, text=True, check=True
    )
    parsed = done.stdout.splitlines()[-1].split(",")
    program = (ROOT / "examples/movies/movies.feat").read_text()
    assert parsed
    assert all(f"{name.strip()}(" in program for name in parsed), parsed


@pytest.mark.parametrize(
    "module", ["featdsl.cli.serve", "featdsl.cli.score", "online.server", "online.client", "model_sync"]
)
def test_a_server_and_its_client_load_neither_spark_nor_torch(module: str) -> None:
    assert loaded_by(f"import {module}") & {"pyspark", "torch", "tensorflow", "pandas"} == set()


def test_a_spark_job_loads_no_grpc() -> None:
    program = "import featdsl.cli.dataset, featdsl.cli.load, offline.dataset, offline.load, offline.join"
    assert loaded_by(program) & {"grpc", "torch", "redis"} == set()


def test_only_one_place_builds_a_spark_session() -> None:
    rooms = ("featdsl", "compiler", "engine", "store", "offline", "online", "model_sync")
    found = [
        str(path.relative_to(ROOT))
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if "SparkSession.builder" in path.read_text()
    ]
    assert found == ["offline/session.py"]


def test_every_room_is_packaged_and_has_its_place_in_the_architecture() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rooms = settings["tool"]["scikit-build"]["wheel"]["packages"]
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    for room in rooms:
        assert (ROOT / room / "__init__.py").is_file()
        assert f"`{room}/`" in architecture


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        prose = re.sub(r"```.*?```|`[^`]*`", "", document.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)", prose):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_example_in_the_readme_compiles_and_its_mistake_is_told_as_shown() -> None:
    from featdsl.check import check
    from featdsl.rendering import as_text

    blocks = (ROOT / "README.md").read_text().split("## What you write")[1].split("```")
    program, shown = blocks[1].lstrip("\n"), blocks[3].strip()
    assert check("movies.feat", overlay={"movies.feat": program}).diagnostics == ()
    right, wrong = (
        "overlap_count(profile.top_genres, movie.genres)",
        "overlap_count(profile.top_genres, movie.year)",
    )
    mistaken = program.replace(right, wrong)
    assert (
        as_text(check("movies.feat", overlay={"movies.feat": mistaken}).diagnostics) == f"{shown}\n\n1 error"
    )
