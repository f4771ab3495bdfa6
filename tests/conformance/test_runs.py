"""That the suite does not quietly prove less: see `tests/conformance/runs.py`."""

from __future__ import annotations

from tests.conformance.runs import spark_outcomes, stored_count, stored_fallbacks, twist_count

HELP = "after a wanted change: python -m tests.conformance.count"


def test_no_twist_is_lost() -> None:
    assert stored_count("twists") <= twist_count(), HELP


def test_spark_makes_no_fewer_cases_by_itself() -> None:
    outcomes, _ = spark_outcomes()
    assert stored_count("spark sql") <= outcomes["sql"], HELP


def test_no_operator_falls_back_to_the_engine_unseen() -> None:
    _, fallbacks = spark_outcomes()
    assert fallbacks <= stored_fallbacks(), HELP
