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


def test_messages_and_tensors_are_those_of_the_real_protocols() -> None:
    """Field by field, and in every type by TensorFlow's own code; the real ones are imported after ours."""
    scripts = "import tests.online.wire_names, tests.online.tensors_of_others"
    assert run_in("tensorflow", "-c", scripts).split() == ["23", "24", "264"]
