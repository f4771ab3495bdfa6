"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

from featdsl.spelling import closest

ELSEWHERE = {
    "array_contains": "`contains`",
    "avg": "`mean`",
    "average": "`mean`",
    "cast": "a type's name as in `int64(x)`",
    "ceiling": "`ceil`",
    "char_length": "`length`",
    "coalesce": "`a ?? b`",
    "dayofweek": "`weekday`",
    "day_of_week": "`weekday`",
    "double": "`float64`",
    "exists": "`not is_null(x)`",
    "fillna": "`a ?? b`",
    "float": "`float64`",
    "has": "`contains`",
    "head": "`take`",
    "if_else": "`if a then b else c`",
    "ifelse": "`if a then b else c`",
    "ifnull": "`a ?? b`",
    "iif": "`if a then b else c`",
    "includes": "`contains`",
    "int": "`int64`",
    "intersect": "`overlap_count`",
    "is_in": "`x in [a, b]`",
    "isin": "`x in [a, b]`",
    "isna": "`is_null`",
    "isnan": "`is_null`",
    "isnull": "`is_null`",
    "iff": "`if a then b else c`",
    "len": "`size` of a list or `length` of a text",
    "ln": "`log`",
    "log2": "`log(x) / log(2)`",
    "log10": "`log(x) / log(10)`",
    "lowercase": "`lower`",
    "lcase": "`lower`",
    "map": "the operator alone: it maps over a list by itself",
    "maximum": "`max`",
    "minimum": "`min`",
    "mod": "`a % b`",
    "now": "`request.at`, a timestamp of the request with `= now`",
    "datetime": "`timestamp_seconds(n)` or `timestamp_millis(n)`",
    "timestamp": "`timestamp_seconds(n)` or `timestamp_millis(n)`",
    "nunique": "`size(distinct(x))`",
    "nvl": "`a ?? b`",
    "power": "`pow` or `**`",
    "str": "`string`",
    "strlen": "`length`",
    "to_lower": "`lower`",
    "to_upper": "`upper`",
    "tokenize": "`words`",
    "ucase": "`upper`",
    "unique": "`distinct`",
    "uppercase": "`upper`",
    "when": "`if a then b else c`",
    "where": "`if a then b else c`",
    "zero_if_null": "`a ?? 0`",
}
"""Names that other languages give to what is here."""

LATER = frozenset(
    "trunc sign expm1 log2 log10 tanh sin cos tan asin acos atan atan2 haversine parse_int parse_float parse_bool "
    "parse_timestamp parse_json format log_bucketize one_hot log_scale cyclic index "
    "combine strip join replace substr find reverse regex_match regex_extract regex_replace normalize edit_distance "
    "ngrams char_ngrams wordpiece slice truncate sort index_of flatten filter zip top_k argmax argmin std variance "
    "mode entropy cosine containment is_subset proximity get_many keys values match dot take_last within "
    "l2_norm euclidean scale mean_pool max_pool second day_of_year is_weekend since geohash text_ids "
    "target_mean".split()
)
"""Operators of the language's plan that are not there yet."""

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
