"""The log of slow calls, and what logs show of keys."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from online.observe.key_hash import key_hash, use_secret
from online.observe.logs import JsonLines
from online.observe.record import CallRecord, Stage
from online.observe.slow_calls import MOST_LINES_A_SECOND, SlowCalls
from tests.online.shop import REQUEST, WeightModel, serving


def call(seconds: float = 0.3) -> CallRecord:
    stages = [
        Stage("queue", 0.0, 0.01),
        Stage("fetch", 0.01, 0.11),
        Stage("decode", 0.11, 0.12),
        Stage("fetch", 0.12, 0.22),
    ]
    keys = {"shopper": ["someone@example.org"], "item": ["a", "b"]}
    return CallRecord(
        "Score", None, 0.0, seconds, items=2, distinct_items=2, version=7, stages=stages, keys=keys
    )


def test_it_names_the_stage_that_cost_and_no_key(caplog: pytest.LogCaptureFixture) -> None:
    slow = SlowCalls(200)
    slow(call(0.199))
    assert caplog.messages == []
    slow(call())
    assert caplog.messages == [
        "a slow call: Score OK, 300.0 ms, most in fetch (200.0 ms): queue 10.0, fetch 200.0, decode 10.0; "
        f"2 items, 2 distinct, version 7; the hash of shopper: {key_hash('someone@example.org')}"
    ]
    slow(call(0.9))
    assert "most in elsewhere (680.0 ms)" in caplog.messages[1]


def test_a_few_are_told_a_second_and_the_next_says_how_many_were_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [5.5]
    slow = SlowCalls(200, lambda: now[0])
    for _ in range(MOST_LINES_A_SECOND + 7):
        slow(call())
    assert len(caplog.messages) == MOST_LINES_A_SECOND
    now[0] = 6.0
    slow(call())
    assert caplog.messages[-1].endswith("; 7 more were slow and are not told")
    slow(call())
    assert "not told" not in caplog.messages[-1]


def test_a_line_of_json_has_the_numbers_apart(caplog: pytest.LogCaptureFixture) -> None:
    SlowCalls(200)(call())
    line = json.loads(JsonLines().format(caplog.records[0]))
    assert line["message"] == caplog.messages[0]
    assert (line["level"], line["logger"], line["worst_stage"]) == ("WARNING", "featdsl.slow", "fetch")
    assert line["stage_ms"] == {"queue": 10.0, "fetch": 200.0, "decode": 10.0}
    assert line["key_hashes"] == {"shopper": key_hash("someone@example.org")}
    assert "example.org" not in json.dumps(line)
    try:
        raise ValueError("ü\n2")
    except ValueError:
        logging.getLogger("featdsl.slow").exception("two\nlines")
    text = JsonLines().format(caplog.records[-1])
    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("ValueError: ü\n2")


def test_a_key_has_one_hash_a_secret() -> None:
    assert key_hash(7) == key_hash("7") != key_hash("8")
    own = key_hash("7")
    use_secret(b"one")
    first = key_hash("7")
    use_secret(b"another")
    assert len({own, first, key_hash("7")}) == 3
    use_secret(b"one")
    assert key_hash("7") == first == "56148919dfa32d60", "of openssl mac BLAKE2BMAC"


def test_a_server_tells_the_model_that_is_slow(
    lmdb_url: str, registry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = WeightModel()
    with serving(lmdb_url, registry, model, slow_ms=150) as (_, client):
        client.score({"shopper": 1, "item": ["a"]}, REQUEST)
        model.hold.clear()
        with pytest.raises(Exception, match="time"):
            client.score({"shopper": 1, "item": ["a", "d"]}, REQUEST, timeout_s=0.4)
    lines = [record.message for record in caplog.records if record.name == "featdsl.slow"]
    assert len(lines) == 1
    assert "most in model" in lines[0]
    assert "2 items" in lines[0]
