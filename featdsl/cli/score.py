"""`feat score`: asks a scoring server, and shows its answer as a table."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from featdsl.errors import InputError

if TYPE_CHECKING:
    from online.results import Entity, Explanation, Field, Scores, ServerInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN = {
    "timestamp": "a time such as 2024-02-29T12:00:00Z, or microseconds",
    "bool": "true or false",
    "list": "JSON, such as '[1, 2]'",
    "vector": "JSON, such as '[1, 2]'",
    "map": "JSON, such as '{\"a\": 1}'",
}
"""How values are written, by how their types begin."""

SUMMARY = "Asks a scoring server for the scores of some items, or what one item's features are made of."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="where the server listens")
    parser.add_argument("--user", metavar="U", help="the key of the entity per request")
    parser.add_argument("--items", metavar="A,B,C", help="the keys of the entity per candidate")
    parser.add_argument(
        "--key", metavar="ENTITY=K", action="append", default=[], help="keys by an entity's name"
    )
    parser.add_argument(
        "--request", metavar="FIELD=V", action="append", default=[], help="a field of the request block"
    )
    parser.add_argument(
        "--candidate", metavar="FIELD=V1,V2", action="append", default=[], help="a value an item"
    )
    parser.add_argument("--model", metavar="M", default="", help="the model block, where there are several")
    parser.add_argument("--top", metavar="N", type=int, default=0, help="the best N, best first")
    parser.add_argument("--outputs", action="store_true", help="show the model's outputs too")
    parser.add_argument("--timings", action="store_true", help="show how long each stage took")
    parser.add_argument("--explain", action="store_true", help="show each item's features and inputs")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--timeout-ms", type=int, default=10_000, help="the call's deadline (10000)")
    parser.epilog = "example:\n  feat score --address 127.0.0.1:8500 --user 5 --items 0111161,0068646 --top 1"


def run(args: argparse.Namespace) -> int:
    """Exit code 3 when no server answers, 1 when the call is refused."""
    from online.client import ScorerClient

    if args.top < 0:
        raise InputError(f"--top must not be negative: {args.top}")
    if args.timeout_ms < 1:
        raise InputError(f"--timeout-ms must be 1 or more: {args.timeout_ms}")
    if not re.fullmatch(r"unix:.+|[^/]+:\d{1,5}", args.address):
        raise InputError(f"--address is HOST:PORT: {args.address}", help="such as 127.0.0.1:8500")
    with ScorerClient(args.address, timeout_s=args.timeout_ms / 1000) as client:
        info = client.models()
        keys = _keys(args, info)
        items: list[Any] = next((keys[e.name] for e in info.entities if e.per_candidate), [])
        request = fields_of("request", args.request, info.request)
        columns = _columns(args.candidate, info.candidate)
        if args.explain:
            found = [
                client.explain(one, request, {name: column[i] for name, column in columns.items()})
                for i, one in enumerate(_each(keys, info.entities, columns))
            ]
            print(_explained_json(items, found) if args.json else _explained_text(items, found))
            return 0
        scores = client.score(
            keys,
            request,
            columns,
            model=args.model,
            top_k=args.top,
            want_outputs=args.outputs,
            want_timings=args.timings,
        )
    print(_scores_json(items, scores) if args.json else _scores_text(items, scores))
    return 0


# --- what was typed, by the types that the server tells --------------------------------------------


def _keys(args: argparse.Namespace, info: ServerInfo) -> dict[str, Any]:
    given: dict[str, str] = dict(_pair("--key", text) for text in args.key)
    for option, text, per_candidate in (("--user", args.user, False), ("--items", args.items, True)):
        if text is not None:
            names = [e.name for e in info.entities if e.per_candidate is per_candidate]
            if len(names) != 1:
                known = ", ".join(names) or "none"
                raise InputError(f"{option} does not say which entity: {known}", help="use --key ENTITY=K")
            given[names[0]] = text
    types = {entity.name: entity for entity in info.entities}
    keys: dict[str, Any] = {}
    for name, text in given.items():
        entity = types.get(name)
        if entity is None:
            raise _unknown("entity", name, types)
        keys[name] = _keys_of(entity, text)
    return keys


def _keys_of(entity: Entity, text: str) -> Any:
    typed = [_typed(f"the key `{entity.name}`", part, entity.type) for part in _parts(text)]
    if entity.per_candidate:
        return typed
    if len(typed) != 1:
        raise InputError(f"the entity `{entity.name}` takes one key: {text}")
    return typed[0]


def fields_of(block: str, given: Iterable[str], known: Sequence[Field]) -> dict[str, Any]:
    types = {field.name: field.type for field in known}
    values: dict[str, Any] = {}
    for text in given:
        name, value = _pair(f"--{block}", text)
        if name not in types:
            raise _unknown(f"{block} field", name, types)
        values[name] = _typed(f"`{block}.{name}`", value, types[name])
    return values


def _columns(given: Iterable[str], known: Sequence[Field]) -> dict[str, list[Any]]:
    types = {field.name: field.type for field in known}
    columns: dict[str, list[Any]] = {}
    for text in given:
        name, values = _pair("--candidate", text)
        if name not in types:
            raise _unknown("candidate field", name, types)
        columns[name] = [_typed(f"`candidate.{name}`", part, types[name]) for part in _parts(values)]
    return columns


def _parts(text: str) -> list[str]:
    """Comma separated; a JSON list may stand for it, where the parts have commas themselves."""
    if text.startswith("["):
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise InputError(f"this is no JSON list: {text} ({error})") from None
        return [part if isinstance(part, str) else json.dumps(part) for part in parsed]
    return text.split(",") if text else []


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{option} takes NAME=VALUE: {text}")
    return name, value


def _unknown(what: str, name: str, known: Mapping[str, Any]) -> InputError:
    from online.errors import did_you_mean

    return InputError(f"the program has no such {what}: {name}", help=did_you_mean(name, known))


def _typed(what: str, text: str, type: str) -> Any:
    """A value of a type from its text: times in ISO 8601 (UTC without a zone) or as microseconds, lists and
    maps as JSON, `null` where null may be."""
    plain = type.removesuffix("?")
    if type.endswith("?") and text == "null":
        return None
    try:
        if plain == "string":
            return text
        if plain in ("int32", "int64"):
            return int(text)
        if plain in ("float32", "float64"):
            return float(text)
        if plain == "bool":
            return {"true": True, "false": False}[text.lower()]
        if plain == "timestamp":
            return int(text) if text.lstrip("-").isdigit() else datetime.fromisoformat(text)
        return json.loads(text)
    except (ValueError, KeyError):
        help = next((advice for start, advice in _WRITTEN.items() if type.startswith(start)), "")
        raise InputError(f"{what} is {type}: {text}", help=help) from None


def _each(
    keys: Mapping[str, Any], entities: Sequence[Entity], columns: Mapping[str, list[Any]]
) -> list[dict[str, Any]]:
    """One call's keys a candidate."""
    many = {e.name for e in entities if e.per_candidate}
    counts = {len(keys[name]) for name in many & keys.keys()} or {1}
    size = max(counts)
    for name, column in columns.items():
        if len(column) != size:
            raise InputError(f"--candidate {name} has {len(column)} values for {size} items")
    return [{name: key[i] if name in many else key for name, key in keys.items()} for i in range(size)]


# --- answers ----------------------------------------------------------------------------------------


def _scores_text(items: Sequence[Any], scores: Scores) -> str:
    header = ["item", "score", "status", *scores.outputs]
    rows = [
        [
            _item(items, position),
            f"{score:.6g}",
            status,
            *(f"{values[i]:.6g}" for values in scores.outputs.values()),
        ]
        for i, (position, score, status) in enumerate(
            zip(scores.positions, scores.scores, scores.statuses, strict=True)
        )
    ]
    lines = _table(header, rows) if rows or scores.dropped else ["no items were given"]
    if scores.dropped:
        lines.append(f"dropped by keep: {', '.join(_item(items, p) for p in scores.dropped)}")
    if scores.request_status != "ok":
        lines.append(f"the request's own rows: {scores.request_status}, so defaults stand for them")
    lines.append(f"{scores.model} version {scores.version}, program {scores.fingerprint[:16]}")
    if scores.timings:
        lines.append(_timings_text(scores.timings))
    return "\n".join(lines)


def _timings_text(timings: Iterable[tuple[str, float]]) -> str:
    """Stages in order, those of several rounds added up."""
    by_stage: dict[str, float] = {}
    for stage, milliseconds in timings:
        by_stage[stage] = by_stage.get(stage, 0.0) + milliseconds
    stages = ", ".join(f"{stage} {milliseconds:.2f}" for stage, milliseconds in by_stage.items())
    return f"{sum(by_stage.values()):.2f} ms in the server: {stages}"


def _scores_json(items: Sequence[Any], scores: Scores) -> str:
    data = asdict(scores)
    data["items"] = [items[p] if p < len(items) else None for p in scores.positions]
    data["dropped_items"] = [items[p] if p < len(items) else None for p in scores.dropped]
    return json.dumps(data, ensure_ascii=False)


def _explained_text(items: Sequence[Any], found: Sequence[Explanation]) -> str:
    lines: list[str] = []
    for i, explanation in enumerate(found):
        lines.append(f"item {_item(items, i)}")
        lines += _table(
            ["feature", "type", "value", "from"],
            [
                [name, feature.type, _short(feature.value), ", ".join(feature.inputs)]
                for name, feature in explanation.features.items()
            ],
        )
        lines.append("")
        lines += _table(
            ["input", "type", "value"],
            [
                [name, type, _short(_time(value) if type.startswith("timestamp") else value)]
                for (name, value), type in zip(
                    explanation.inputs.items(), explanation.input_types.values(), strict=True
                )
            ],
        )
        lines.append("")
        lines += _table(
            ["source", "key", "row", "schema", "stored bytes"],
            [
                [
                    name,
                    _short(key, 30),
                    status,
                    schema or "",
                    ""
                    if stored is None
                    else f"{len(stored)}: {_shown_bytes(stored[10:] if schema else stored)}",
                ]
                for name, row in explanation.rows.items()
                for key, status, schema, stored in zip(
                    row.key if isinstance(row.key, list) else [row.key],
                    row.statuses,
                    row.writer_schemas,
                    row.stored,
                    strict=True,
                )
            ],
        )
        lines.append("")
    lines += [f"program {explanation.fingerprint[:16]}" for explanation in found[:1]]
    return "\n".join(lines)


def _explained_json(items: Sequence[Any], found: Sequence[Explanation]) -> str:
    data = [
        {"item": items[i] if i < len(items) else None, **asdict(explanation)}
        for i, explanation in enumerate(found)
    ]
    return json.dumps(data, ensure_ascii=False, default=bytes.hex)


def _item(items: Sequence[Any], position: int) -> str:
    return str(items[position]) if position < len(items) else str(position)


def _time(micros: Any) -> Any:
    """Microseconds as a time in UTC; as they are where there is no such year."""
    try:
        return None if micros is None else (_EPOCH + timedelta(microseconds=micros)).isoformat()
    except OverflowError:
        return micros


def _short(value: Any, width: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[: width - 1] + "…"


def _shown_bytes(data: bytes, most: int = 24) -> str:
    return data[:most].hex() + ("…" if len(data) > most else "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
