"""The engine reads the keys of a message as protobuf does, or leaves them to it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import EngineError, Keys, request_keys
from online.errors import CallError, Reason
from online.proto.scorer_pb2 import ExplainRequest, ScoreRequest
from online.request import Asked

NAMES = st.sampled_from(["user", "item", "", "é"])
INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5)
TEXTS = st.lists(st.text(max_size=6), max_size=5)


def message_of(keys: dict[str, list[Any]], model: str) -> ScoreRequest:
    message = ScoreRequest(model=model, top_k=3)
    for name, values in keys.items():
        entry = message.keys[name]
        if values and isinstance(values[0], int):
            entry.integers.values.extend(values)
        elif values:
            entry.strings.values.extend(values)
    return message


def plain(asked: Asked) -> tuple[ScoreRequest, dict[str, list[Any] | None]]:
    rest = ScoreRequest()
    rest.CopyFrom(asked.message)
    rest.ClearField("keys")
    return rest, {name: None if keys is None else list(keys) for name, keys in asked.keys.items()}


def by_protobuf(data: bytes) -> tuple[ScoreRequest, dict[str, list[Any] | None]]:
    message = ScoreRequest.FromString(data)
    keys = {}
    for name, held in message.keys.items():
        case = held.WhichOneof("of")
        keys[name] = None if case is None else list(getattr(held, case).values)
    message.ClearField("keys")
    return message, keys


@given(keys=st.dictionaries(NAMES, st.one_of(INTEGERS, TEXTS), max_size=3), model=st.text(max_size=3))
def test_what_a_client_sends_is_read_in_the_engine(keys: dict[str, list[Any]], model: str) -> None:
    data = message_of(keys, model).SerializeToString()
    assert (request_keys(data, 2) is not None) == all(keys.values())
    assert plain(Asked.of(ScoreRequest, data)) == by_protobuf(data)


@given(seed=st.integers(0, 2**32))
def test_bytes_that_are_changed_read_as_protobuf_reads_them(seed: int) -> None:
    rng = random.Random(seed)
    good = message_of(
        {"user": [5, -1, 300], "item": ["a", "é中", ""], "x": [2**63 - 1]}, "m"
    ).SerializeToString()
    data = bytearray(good)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        if rng.random() < 0.7:
            data[at] = rng.choice([rng.randrange(256), data[at] ^ 1 << rng.randrange(8)])
        else:
            data[at:at] = data[rng.randrange(len(data)) :][: rng.randrange(8)]
    try:
        wanted = by_protobuf(bytes(data))
    except Exception:
        with pytest.raises(CallError) as refused:
            Asked.of(ScoreRequest, bytes(data))
        assert refused.value.reason is Reason.MALFORMED_REQUEST
    else:
        assert plain(Asked.of(ScoreRequest, bytes(data))) == wanted


def test_explain_has_its_keys_elsewhere() -> None:
    message = ExplainRequest()
    message.keys["item"].strings.values.append("a")
    asked = Asked.of(ExplainRequest, message.SerializeToString())
    assert {name: list(keys or ()) for name, keys in asked.keys.items()} == {"item": ["a"]}
    assert not asked.message.keys


def test_keys_are_a_sequence() -> None:
    given = ["a", 7, None, "\udc80", 2**70, "é"]
    keys = Keys(given)
    assert [list(keys), list(keys[1:4]), list(keys[::-2]), keys[-1]] == [given, given[1:4], given[::-2], "é"]
    with pytest.raises(IndexError):
        keys[6]
    with pytest.raises(EngineError, match="a key is a str, int or bytes, not float"):
        Keys([1.5])  # type: ignore[list-item]
