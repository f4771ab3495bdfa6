"""`Explain`: every feature from the store, exactly what the reference computes from the same rows."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from compiler.ir import reachable
from compiler.reference.run import run_rows
from online.client import ScorerClient
from store.interface import open_store
from tests.online.shop import AT, ROWS, bundle


def joined(shopper: int, item: str, request: dict[str, Any], candidate: dict[str, Any]) -> pa.Table:
    profile, goods = ROWS["profile"].get(shopper), ROWS["goods"].get(item)
    row = {
        "shopper": shopper,
        "item": item,
        "profile": profile,
        "home": ROWS["home"].get((profile or {}).get("maker")),
        "goods": goods,
        "maker": ROWS["maker"].get((goods or {}).get("maker")),
        "liked_goods": [ROWS["goods"].get(liked) for liked in (profile or {}).get("liked", [])] or None,
        "request": request,
        "candidate": candidate,
    }
    return pa.Table.from_pylist([row])


CASES = [
    (1, "a", {}),
    (1, "b", {"channel": "é", "boost": 0.1, "position": 3}),
    (1, "c", {"boost": 2**24 + 1}),
    (2, "d", {"channel": None}),
    (2, "nothing", {}),
    (404, "d", {}),
]


@pytest.mark.parametrize(("shopper", "item", "candidate"), CASES)
def test_features_are_the_references_to_the_bit(
    client: ScorerClient, shopper: int, item: str, candidate: dict[str, Any]
) -> None:
    request = {"at": AT + 1, "country": "NL", "limits": [0.1, 7.25, 1 / 3]}
    found = client.explain({"shopper": shopper, "item": item}, request, candidate)
    expected = run_rows(bundle(), "features", joined(shopper, item, request, candidate)).to_pylist()[0]
    assert list(found.features) == list(expected)
    for name, value in expected.items():
        got = found.features[name].value
        assert type(got) is type(value), name
        assert (got.hex() if isinstance(got, float) else got) == (
            value.hex() if isinstance(value, float) else value
        ), name


def test_inputs_and_rows_say_where_values_came_from(client: ScorerClient) -> None:
    found = client.explain({"shopper": 1, "item": "d"}, {"country": "NL", "at": AT})
    assert found.features["maker_age"].inputs == ["maker.founded", "request.at"]
    assert found.features["liked_price"].type == "float64"
    assert found.inputs["liked_goods.price"] == [10.0, 0.0, 0.0] or found.inputs["liked_goods.price"] == [
        10.0,
        None,
        None,
    ]
    assert found.inputs["request.at"] == AT
    assert found.rows["goods"].key == "d"
    assert found.rows["goods"].statuses == ["ok"]
    assert found.rows["maker"].key == "nobody"
    assert found.rows["maker"].statuses == ["missing"]
    assert found.rows["liked_goods"].key == ["b", "zz", "c"]
    assert found.rows["liked_goods"].statuses == ["ok", "missing", "ok"]
    assert {name for f in found.features.values() for name in f.inputs} == set(found.inputs)
    assert found.fingerprint == bundle().fingerprint


def test_every_input_of_a_feature_is_named(client: ScorerClient) -> None:
    found = client.explain({"shopper": 1, "item": "a"}, {"country": "NL"})
    for name, root in bundle().outputs("features").items():
        names = {node.attribute("name") for node in reachable([root.node]) if node.op == "input"}
        assert set(found.features[name].inputs) == names


def test_rows_are_shown_as_they_lie_in_the_store(client: ScorerClient, lmdb_url: str) -> None:
    found = client.explain({"shopper": 1, "item": "d"}, {"country": "NL"})
    store = open_store(lmdb_url, "shop")
    assert found.rows["goods"].stored == store.get_many("goods", ["d"])
    assert found.rows["liked_goods"].stored == store.get_many("goods", ["b", "zz", "c"])
    assert found.rows["liked_goods"].stored[1] is None
    assert found.rows["liked_goods"].writer_schemas[1] is None
    written = found.rows["goods"].writer_schemas[0]
    assert written is not None
    stored_schema = store.schema(bytes.fromhex(written))
    assert stored_schema is not None
    row = fastavro.schemaless_reader(BytesIO(found.rows["goods"].stored[0][10:]), json.loads(stored_schema))
    assert row["title"] == "Drum"
    assert row["tags"] == ["z", "y", "x", "w"]
