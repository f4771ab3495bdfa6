"""The examples of every declaration say what the reference gives."""

from __future__ import annotations

import pyarrow as pa
import pytest

from featdsl.check import check
from featdsl.operators import OPERATORS
from featdsl.operators.declare import Operator
from tests.conformance.programs import exact
from tests.conformance.tree import run_tree


def _can_be_constant(operator: Operator) -> bool:
    """No literal makes a map or a vocab."""
    return not any(p.pattern.name in ("map", "vocab") for s in operator.signatures for p in s.parameters)


@pytest.mark.parametrize("name", [o.name for o in OPERATORS.values() if _can_be_constant(o)])
def test_examples(name: str) -> None:
    examples = OPERATORS[name].examples
    assert examples, "an operator has at least one example"
    lines = ["namespace examples", "entity user: int64 per request"]
    lines += [f"feature f{i} = {text}" for i, text in enumerate(examples)]
    result = check("examples.feat", overlay={"examples.feat": "\n".join(lines)}, nullable_features=True)
    assert result.program is not None, [(d.message, d.label) for d in result.diagnostics]
    values = run_tree(result.program, pa.table({"user": pa.array([1], pa.int64())}))
    got = {text: values[f"f{i}"][0] for i, text in enumerate(examples)}
    assert {text: exact(value) for text, value in got.items()} == {
        text: exact(value) for text, value in examples.items()
    }
