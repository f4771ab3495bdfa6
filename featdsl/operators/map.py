"""Maps: reading values by key. (`size` of a map is with the lists.)"""

from __future__ import annotations

from typing import Any

from featdsl.operators.declare import operator


@operator(
    "get(map: map<string, T>, key: string) -> T?",
    "get(map: map<int64, T>, key: int64) -> T?",
    "get(map: map<string, T>, key: string, default: T!) -> T!",
    "get(map: map<int64, T>, key: int64, default: T!) -> T!",
)
def get(map: dict[Any, Any], key: str | int, default: Any = None) -> Any:
    """The value under a key of a map; `default` if the map has no such key, or null where no default is
    given. A null map or key gives null. Where a row repeats a key, its last value counts.
    """
    return map.get(key, default)
