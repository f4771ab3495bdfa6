"""What the log tells of rows that do not read."""

from __future__ import annotations

import numpy as np
import pytest

from online.answers import MISSING, OK, UNREADABLE
from online.observe.key_hash import key_hash
from online.unreadable import UnreadableRows


def test_it_tells_once_a_minute_and_source_without_keys(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    rows = UnreadableRows(lambda: now[0])
    bad = np.array([OK, UNREADABLE, MISSING, UNREADABLE], np.uint8)
    keys = ["a", "someone@example.org", None, 7]
    for _ in range(3):
        rows.note("profile", keys, bad)
        rows.note("goods", keys[:2], bad[:2], ["the writer schema is not a record"])
        rows.note("maker", keys[:1], bad[:1])
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "source profile",
        "source goods",
    ]
    assert "2 rows do not decode" in caplog.messages[0]
    assert key_hash(7) in caplog.messages[0]
    assert "1 row does not decode" in caplog.messages[1]
    assert "the writer schema is not a record" in caplog.messages[1]
    assert "example.org" not in caplog.text
    now[0] += 60
    rows.note("profile", keys, bad)
    assert "6 rows" in caplog.messages[-1], "those that were not told are counted"
    assert rows.totals == {"profile": 8, "goods": 3}
