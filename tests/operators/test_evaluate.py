"""The null rule and mapping over lists."""

from __future__ import annotations

import datetime

import pytest

from featdsl.operators.evaluate import apply, bind
from featdsl.operators.time import civil


def test_null_spreads_unless_the_parameter_takes_it() -> None:
    assert apply("add", 0, [None, 1], {}) is None
    assert apply("coalesce", 0, [None, 1], {}) == 1
    assert apply("and", 0, [None, False], {}) is False


def test_a_mapped_operator_drops_nulls_or_keeps_them() -> None:
    assert apply("log", 0, [[1.0, 0.0]], {}, (True,), True) == [0.0]
    assert apply("log", 0, [(1.0, 0.0)], {}, (True,), False) == [0.0, None]


def test_what_is_not_mapped_stands_beside_each_element() -> None:
    assert apply("add", 0, [[1, 2], 10], {}, (True, False), True) == [11, 12]
    assert apply("add", 0, [[1, 2], None], {}, (True, False), True) == []
    assert apply("add", 0, [[], 10], {}, (True, False), True) == []


def test_a_mapped_list_that_is_null_gives_null() -> None:
    assert apply("coalesce", 0, [None, 0], {}, (True, False)) is None


def test_mapped_lists_have_one_length() -> None:
    with pytest.raises(ValueError, match="add over lists of different lengths"):
        apply("add", 0, [[1, 2], [3]], {}, (True, True))


def test_constants_reach_the_reference_by_name() -> None:
    bucket = bind("bucketize", 0, {"edges": (1, 5), "right": True})
    assert [bucket([x]) for x in (1, 2, 6, None)] == [0, 1, 2, None]


def test_the_calendar_is_pythons_where_python_has_one() -> None:
    first = datetime.date(1970, 1, 1).toordinal()
    for ordinal in range(1, datetime.date.max.toordinal(), 17):
        date = datetime.date.fromordinal(ordinal)
        assert civil(ordinal - first) == (date.year, date.month, date.day)
