"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

from featdsl.spelling import closest

ELSEWHERE = {
    "array_contains": "`contains`",
    "array_distinct": "`distinct`",
    "array_join": "`join`",
    "array_max": "`max`",
    "array_min": "`min`",
    "array_size": "`size`",
    "average": "`mean`",
    "avg": "`mean`",
    "cardinality": "`size`",
    "cast": "a type's name as in `int64(x)`",
    "ceiling": "`ceil`",
    "char_length": "`length`",
    "clamp": "`clip`",
    "concat_ws": "`join`",
    "contains_any": "`overlap_count(a, b) > 0`",
    "count_distinct": "`size(distinct(x))`",
    "datetime": "`timestamp_seconds(n)` or `timestamp_millis(n)`",
    "day_of_week": "`weekday`",
    "dayofmonth": "`day`",
    "dayofweek": "`weekday`",
    "distinct_count": "`size(distinct(x))`",
    "double": "`float64`",
    "element_at": "`at(list, 0)`, counted from 0, or `get(map, key)`",
    "endswith": "`ends_with`",
    "exists": "`not is_null(x)`",
    "farm_fingerprint": '`hash(x, algorithm: "farm64")`',
    "fill_missing": "`a ?? b`",
    "fill_null": "`a ?? b`",
    "fillna": "`a ?? b`",
    "fingerprint64": '`hash(x, algorithm: "farm64")`',
    "firstx": "`take`",
    "float": "`float64`",
    "get_jaccard_similarity": "`jaccard`",
    "greatest": "`max`",
    "has": "`contains`",
    "has_id_overlap": "`overlap_count(a, b) > 0`",
    "hashed_cross": "`cross(a, b) |> hash(n)`",
    "head": "`take`",
    "id_overlap_count": "`overlap_count`",
    "if_else": "`if a then b else c`",
    "ifelse": "`if a then b else c`",
    "iff": "`if a then b else c`",
    "ifnull": "`a ?? b`",
    "iif": "`if a then b else c`",
    "includes": "`contains`",
    "instr": "`find`",
    "int": "`int64`",
    "intersect": "`overlap_count`",
    "is_in": "`x in [a, b]`",
    "is_not_null": "`not is_null(x)`",
    "isin": "`x in [a, b]`",
    "isna": "`is_null`",
    "isnan": "`is_null`",
    "isnotnull": "`not is_null(x)`",
    "isnull": "`is_null`",
    "lcase": "`lower`",
    "least": "`min`",
    "len": "`size` of a list or `length` of a text",
    "ln": "`log`",
    "locate": "`find`",
    "log_1p": "`log1p`",
    "lowercase": "`lower`",
    "lpad": "`left_pad`",
    "ltrim": "`trim`",
    "map": "the operator alone: it maps over a list by itself",
    "maximum": "`max`",
    "minimum": "`min`",
    "murmur3": '`hash(x, algorithm: "murmur3")`',
    "notnull": "`not is_null(x)`",
    "now": "`request.at`, a timestamp of the request with `= now`",
    "nunique": "`size(distinct(x))`",
    "nvl": "`a ?? b`",
    "pmod": "`mod`",
    "power": "`pow` or `**`",
    "proximity": "`proximity_min_distance(list, terms)`",
    "regexp_extract": "`regex_extract`",
    "regexp_like": "`regex_match`",
    "regexp_replace": "`regex_replace`",
    "replace_all": "`replace`",
    "rlike": "`regex_match`",
    "rpad": "`right_pad`",
    "rtrim": "`trim`",
    "scale": "`v * 2.0`",
    "sigrid_hash": "`hash(x, n, offset: 0, seed: 7)`",
    "since": "`hours_since(at, later)`",
    "square": "`x * x`",
    "startswith": "`starts_with`",
    "str": "`string`",
    "strlen": "`length`",
    "strpos": "`find`",
    "substring": "`substr`",
    "timestamp": "`timestamp_seconds(n)` or `timestamp_millis(n)`",
    "to_float": "`float64`",
    "to_int": "`int64`",
    "to_lower": "`lower`",
    "to_string": "`string`",
    "to_upper": "`upper`",
    "tokenize": "`words`",
    "ucase": "`upper`",
    "unique": "`distinct`",
    "unix_timestamp": "`int64(x)`, which is microseconds",
    "uppercase": "`upper`",
    "when": "`if a then b else c`",
    "where": "`if a then b else c`",
    "xxhash64": "`hash`",
    "zero_if_null": "`a ?? 0`",
}
"""Names that other languages give to what is here."""

_MOST_LOOKUPS = 200


class Suggestions:
    """Looks for close names, a bounded number of times, so that a file of mistakes stays fast."""

    def __init__(self) -> None:
        self._left = _MOST_LOOKUPS

    def closest(self, name: str, candidates: Iterable[str]) -> str | None:
        """See `closest`; None once the bound is reached."""
        self._left -= 1
        return closest(name, candidates) if self._left >= 0 and len(name) < 100 else None

    def help(self, name: str, candidates: Iterable[str], prefix: str = "") -> str:
        """``did you mean `x`?``, or nothing."""
        found = self.closest(name, candidates)
        return f"did you mean `{prefix}{found}`?" if found else ""
