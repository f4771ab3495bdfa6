"""The committed message classes are those of the `.proto` files."""

from __future__ import annotations

from pathlib import Path

from online.proto.generate import HERE, generate
from tests.online.environments import run_in


def test_the_generated_code_is_fresh(tmp_path: Path) -> None:
    for made in generate(tmp_path):
        assert made.read_text() == (HERE / made.name).read_text(), "run python -m online.proto.generate"


def test_no_name_is_taken_from_others() -> None:
    from online.proto import SERVICE, error_pb2, scorer_pb2

    assert {f.DESCRIPTOR.package for f in (scorer_pb2, error_pb2)} == {"featdsl.v1"}
    assert scorer_pb2.DESCRIPTOR.services_by_name["Scorer"].full_name == SERVICE


def test_the_messages_of_other_servers_have_the_numbers_of_the_real_ones() -> None:
    """And importing the real ones later, into the process that uses ours, works."""
    assert run_in("tensorflow", Path(__file__).with_name("wire_names.py")).split() == ["14", "24"]
