"""Fitted state: what `feat fit` learned, in a file beside the program (`movies.state.json` of `movies.feat`).

The file is JSON that people can read and git can compare: an entry of a vocab is a line. Its third line is the SHA-256
of all that follows, so what was edited by hand or merged is noticed. The same data gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

VERSION = 1
_HEAD = re.compile(r'\{\n"format": "featdsl state (\d+)",\n"sha256": "([0-9a-f]{64})",\n')


@dataclass(frozen=True, slots=True)
class FittedSite:
    """What was learned for one site. `id` is the digest of what is learned (see `featdsl/check/identity.py`); `name`
    the declaration that it stands in and `of` the text of its expression, for people. `values` are those of the
    statistic (see `featdsl/fit.py`), entries by value, in order."""

    id: str
    name: str
    statistic: str
    of: str
    parameters: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HashSpace:
    """How many different values came to a `hash(x, buckets)`, and how many of them share their bucket."""

    id: str
    of: str
    buckets: int
    values: int
    colliding: int

    @property
    def share(self) -> float:
        return self.colliding / self.values if self.values else 0.0


@dataclass(frozen=True, slots=True)
class State:
    """`samples`: how many were learned from. Sites and hash spaces by id."""

    samples: int = 0
    sites: Mapping[str, FittedSite] = field(default_factory=dict)
    hash_spaces: Mapping[str, HashSpace] = field(default_factory=dict)


class BadState(ValueError):
    """It is no state file of this version, whole."""


def state_path(program: str) -> str:
    """The state file of a program."""
    return os.path.splitext(program)[0] + ".state.json"


def state_text(state: State) -> str:
    """The text of a state file; sites in the order of their names."""
    rest = "".join(_rest(state))
    digest = hashlib.sha256(rest.encode()).hexdigest()
    return f'{{\n"format": "featdsl state {VERSION}",\n"sha256": "{digest}",\n{rest}'


def read_state(text: str) -> State:
    """The state in a file's text. Errors: `BadState`, with what is wrong with it."""
    head = _HEAD.match(text)
    if head is None:
        raise BadState("it is not a state file")
    if int(head[1]) != VERSION:
        raise BadState(f"this featdsl reads version {VERSION} of state files, found {head[1]}")
    if hashlib.sha256(text[head.end() :].encode()).hexdigest() != head[2]:
        raise BadState("its content is not what was written, by its checksum")
    try:
        data = json.loads(text, parse_constant=_no_number)
        _expect(_is_count(data["samples"]))
        sites = [_site(entry) for entry in data["sites"]]
        spaces = [_hash_space(entry) for entry in data["hash_spaces"]]
        return State(data["samples"], {s.id: s for s in sites}, {s.id: s for s in spaces})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadState("it is damaged") from None


def write_state(path: str | Path, text: str) -> None:
    """Writes a file aside and then renames it. Errors: `OSError`."""
    import tempfile

    target = Path(path)
    handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _rest(state: State) -> Iterator[str]:
    yield f'"samples": {state.samples},\n"sites": ['
    ordered = sorted(state.sites.values(), key=lambda s: (s.name, s.statistic, s.id))
    for i, site in enumerate(ordered):
        yield (",\n{\n" if i else "\n{\n") + "".join(_site_lines(site)) + "}"
    yield '\n],\n"hash_spaces": ['
    for i, space in enumerate(sorted(state.hash_spaces.values(), key=lambda s: (s.of, s.id))):
        data = {name: getattr(space, name) for name in HashSpace.__slots__}
        yield (",\n" if i else "\n") + _json(data)
    yield "\n]\n}\n"


def _site_lines(site: FittedSite) -> Iterator[str]:
    for name in ("id", "name", "statistic", "of", "parameters"):
        yield f' "{name}": {_json(getattr(site, name))},\n'
    yield ' "values": {\n'
    entries = site.values.get("entries")
    simple = [(name, value) for name, value in site.values.items() if name != "entries"]
    if entries is not None:
        simple.append(("integers", any(isinstance(entry, int) for entry in entries)))
    yield ",\n".join(f"  {_json(name)}: {_json(value)}" for name, value in simple)
    if entries is not None:
        yield ',\n  "entries": {\n'
        yield ",\n".join(
            [
                f"   {encode_basestring(str(entry))}: {value if type(value) is int else _json(value)}"
                for entry, value in entries.items()
            ]
        )
        yield "\n  }"
    yield "\n }\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _site(data: Any) -> FittedSite:
    values = dict(data.pop("values"))
    site = FittedSite(**data, values=values)
    _expect(all(type(text) is str for text in (site.id, site.name, site.statistic, site.of)))
    _expect(type(site.parameters) is dict)
    if "entries" in values:
        entries, integers = values["entries"], values.pop("integers")
        _expect(type(entries) is dict and type(integers) is bool)
        values["entries"] = {int(k): v for k, v in entries.items()} if integers else entries
        _expect(not integers or all(-(2**63) <= k < 2**63 for k in values["entries"]))
    for name, value in values.items():
        if name == "entries":
            rows = site.statistic == "means"
            _expect(all(_are_numbers(v) if rows else _is_count(v) for v in value.values()))
        elif name in ("points", "counts", "otherwise"):
            _expect(_are_numbers(value))
        else:
            _expect(_is_number(value))
    return site


def _hash_space(data: Any) -> HashSpace:
    space = HashSpace(**data)
    _expect(type(space.id) is str and type(space.of) is str)
    _expect(all(map(_is_count, (space.buckets, space.values, space.colliding))))
    return space


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < 2**63)


def _are_numbers(value: Any) -> bool:
    return type(value) is list and all(map(_is_number, value))


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not written")


def _expect(holds: bool) -> None:
    if not holds:
        raise ValueError("a value of another kind")
