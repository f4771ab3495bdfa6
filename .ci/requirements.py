"""Prints what pyproject.toml asks for, every extra but `bench` included, one requirement a line."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
groups = [
    project["dependencies"],
    *(extra for name, extra in project["optional-dependencies"].items() if name != "bench"),
]
print("\n".join(line for group in groups for line in group))
