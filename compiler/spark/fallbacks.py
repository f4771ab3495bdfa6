"""The operators that Spark's own functions cannot match to the bit.

With `--engine spark` exactly these nodes run in the engine (an Arrow UDF, see `engine_nodes.py`), and the
plan and the report say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.ir import Node
from featdsl.resources import Zone
from featdsl.types import FLOAT_KINDS


def _every_node(node: Node) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Fallback:
    """`reason` is for people. `applies` narrows it to some of the operator's nodes."""

    reason: str
    applies: Callable[[Node], bool] = _every_node

    @property
    def always(self) -> bool:
        """Whether all of the operator's nodes run in the engine."""
        return self.applies is _every_node


def _of_float(node: Node) -> bool:
    return node.args[0].type.inside(node.mapped[0] if node.mapped else 0).kind in FLOAT_KINDS


def _of_float_elements(node: Node) -> bool:
    return node.args[0].type.innermost.kind in FLOAT_KINDS


def _of_part(node: Node) -> bool:
    return node.args[1].type.inside(node.mapped[1] if node.mapped else 0).is_listlike


def _foreign_hash(node: Node) -> bool:
    attributes = dict(node.attributes)
    return attributes.get("seed", 42) != 42 or attributes.get("algorithm") in ("farm64", "farm64_bytes")


_REGEX = Fallback("Java's regular expressions are not RE2's: other syntax, other matches, not linear")


def _to_digits(node: Node) -> bool:
    return _of_float(node) and dict(node.attributes).get("digits") is not None


def _offsets(node: Node) -> tuple[int, ...]:
    zone = node.attribute("zone")
    assert isinstance(zone, Zone)
    return zone.offsets


def _changing_zone(node: Node) -> bool:
    return len(_offsets(node)) > 1 and node.attribute("unit") not in ("second", "minute", "hour")


def _other_zone(node: Node) -> bool:
    return _offsets(node) != (0,)


FALLBACKS: dict[str, Fallback] = {
    "bert_words": Fallback("Spark has no Unicode normal forms, and another version of Unicode"),
    "wordpiece": Fallback("Spark has no search for the longest piece of a word in a vocab"),
    "normalize": Fallback("Spark has no Unicode normal forms"),
    "like": Fallback("Spark's LIKE goes back and forth in Java: some patterns take for ever on a long text"),
    "regex_match": _REGEX,
    "regex_extract": _REGEX,
    "regex_extract_all": _REGEX,
    "regex_replace": _REGEX,
    "regex_split": _REGEX,
    "lower": Fallback("Spark maps case by the Unicode version of its Java and ICU, not by 14.0.0"),
    "upper": Fallback("Spark maps case by the Unicode version of its Java and ICU, not by 14.0.0"),
    "string": Fallback(
        "Java writes floats in another notation, and before 19 not always shortest", _of_float
    ),
    "cumulative_sum": Fallback("SQL has no running sum of a list that does not copy it at each element"),
    **dict.fromkeys(
        (
            *("among", "max_count", "mode", "entropy", "value_counts", "sum_by", "proximity_min_cover"),
            *("proximity_min_distance", "proximity_max_distance", "proximity_mean_distance"),
        ),
        Fallback("SQL has no table of the values of a list that is looked up without a scan"),
    ),
    **dict.fromkeys(
        ("intersection", "difference"),
        Fallback("Spark makes 0.0 of a -0.0 that it picks", _of_float_elements),
    ),
    "index_of": Fallback("SQL would take a part of the list at each place", _of_part),
    "round": Fallback("Spark rounds the shortest decimal that reads back, not the number", _to_digits),
    **dict.fromkeys(
        ("sin", "cos", "tan", "cbrt", "cyclic", "haversine"),
        Fallback("Spark takes it from Java's Math, which leaves the last bit to the processor"),
    ),
    "fixed": Fallback("Spark rounds the shortest decimal that reads back, not the number"),
    "parse_timestamp": Fallback("Spark's patterns take other texts, and its zones are those of its Java"),
    "format_timestamp": Fallback("Spark's patterns write other texts, and its zones are those of its Java"),
    **dict.fromkeys(
        ("parse_json", "parse_json_int", "parse_json_float", "parse_json_bool", "parse_json_list"),
        Fallback("Spark takes more than JSON, and writes numbers and lists anew"),
    ),
    "geohash": Fallback("it is sixty steps, each with the one before"),
    "truncate": Fallback(
        "in a zone whose offset changes, midnight may be skipped or come twice", _changing_zone
    ),
    "date": Fallback("midnight of another zone than UTC may be skipped or come twice", _other_zone),
    "hash": Fallback(
        "Spark has no farm64, and its xxhash64 and hash take no other seed than 42", _foreign_hash
    ),
    **dict.fromkeys(
        ("target_mean", "frequency", "bm25", "tf_idf", "tf_idf_cosine"),
        Fallback(
            "what was fitted is a table of many entries, which would be written into the SQL of each use"
        ),
    ),
}


def fallback_of(node: Node) -> Fallback | None:
    """Why this node runs in the engine, or None."""
    found = FALLBACKS.get(node.op)
    return found if found is not None and found.applies(node) else None
