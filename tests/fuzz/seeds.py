"""Inputs to begin with, made of the conformance suite and the examples: `python -m tests.fuzz.seeds FOLDER`."""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from compiler.bundle import Bundle, compile_program, write_bundle
from compiler.bundle_files import files_of
from featdsl.check import check
from featdsl.levels import Level
from featdsl.program import Field, FitSite, Sequence, Source
from featdsl.state import FittedSite, HashSpace, State
from featdsl.types import FLOAT32, FLOAT64, INT32, INT64, STRING, TIMESTAMP, Kind, list_of, map_of, vector_of
from online.proto.scorer_pb2 import ScoreRequest
from store.decode_plan import decode_plan
from store.encode import RowEncoder
from tests.conformance.cases import FOLDER, read_cases
from tests.conformance.programs import PATH, program_of
from tests.fuzz.targets import LEARNING, packed

ROOT = Path(__file__).parents[2]
FOUND = Path(__file__).parent / "found"
"""Inputs that failed once; their names begin with the target's."""


@cache
def _case_programs() -> list[tuple[str, Bundle]]:
    """Of every case file the first case that gives a value, as text and compiled."""
    made = []
    for path in sorted(FOLDER.glob("*/*.case")):
        case = next((case for case in read_cases(path) if case.error is None), None)
        if case is not None:
            program = program_of([case])
            checked = check(PATH, overlay=program.overlay, nullable_features=True).program
            assert checked is not None
            made.append((program.text, compile_program(checked)))
    return made


def _texts() -> Iterator[bytes]:
    for path in sorted(
        [*ROOT.glob("examples/**/*.feat"), *ROOT.glob("tests/**/*.feat"), ROOT / "featdsl/std.feat"]
    ):
        yield path.read_bytes()
    for text, _ in _case_programs():
        yield text.encode()


_LEARNED: Mapping[str, Mapping[str, Any]] = {
    "moments": {"count": 3, "mean": 1.5, "std": 0.5, "low": -1.0, "high": 2.0},
    "quantiles": {"count": 3, "points": [-1.0, 0.5, 2.0], "counts": [0, 1, 1, 1]},
    "corpus": {"documents": 9, "mean_length": 2.5, "integers": False, "entries": {"a": 3, "é b": 1}},
}


def _states() -> Iterator[bytes]:
    """What could be learned of the target's program, site for site as each needs what was learned before."""
    sites: dict[str, FittedSite] = {}
    while True:
        checked = check("fuzz.feat", overlay={"fuzz.feat": LEARNING}, fitting=State(3, sites)).program
        assert checked is not None
        if all(site.state is not None for site in checked.sites):
            break
        for site in checked.sites:
            values = _LEARNED.get(site.statistic) or _entries(site)
            found = FittedSite(site.id, site.name, site.statistic, site.of, dict(site.parameters), values)
            sites[site.id] = found
    spaces = [HashSpace(use.id, use.of, 100, 7, 3) for use in checked.hashes]
    data = {
        "samples": 3,
        "sites": [asdict(site) for site in sites.values()],
        "hash_spaces": [asdict(space) for space in spaces],
    }
    yield json.dumps(data, ensure_ascii=False).encode()


def _entries(site: FitSite) -> Mapping[str, Any]:
    integers = site.argument.type.kind is Kind.INT64
    names = ["7", "-1"] if integers else ["a", "é b"]
    if site.statistic == "vocab":
        return {"count": 9, "integers": integers, "entries": dict(zip(names, (5, 2), strict=True))}
    means = [0.5] * (1 + site.parameters["folds"])
    entries = {name: [3, *means] for name in names}
    return {"count": 9, "mean": 0.5, "otherwise": means, "integers": integers, "entries": entries}


def _bundles() -> Iterator[bytes]:
    for _, bundle in _case_programs()[::6]:
        yield packed(files_of(bundle))
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(_case_programs()[0][1], Path(folder, "one.featb"))
        yield Path(folder, "one.featb").read_bytes()


def _programs() -> Iterator[bytes]:
    for _, bundle in _case_programs():
        for program in bundle.programs["features"].values():
            if len(program) < 20_000:
                yield program


_FIELDS: tuple[Field | Sequence, ...] = (
    Field("a", INT64.optional()),
    Field("b", INT32.optional()),
    Field("x", FLOAT64.optional()),
    Field("f", FLOAT32.optional()),
    Field("t", TIMESTAMP.optional()),
    Field("s", STRING.optional()),
    Field("xs", list_of(FLOAT64)),
    Field("ss", list_of(list_of(STRING))),
    Field("m", map_of(STRING, INT64)),
    Field("n", map_of(INT64, STRING)),
    Field("v", vector_of(FLOAT32, 2).optional()),
    Sequence("q", (Field("i", STRING.optional()), Field("at", TIMESTAMP.optional())), 3),
)
_ROWS = (
    {},
    {"a": -1, "b": 7, "x": -0.0, "f": 1.5, "t": 10**15, "s": "é🙂", "xs": [1.0, None], "v": [1.0, 2.0]},
    {
        "ss": [["a"], [], None, ["b", "c"]],
        "m": {"k": 1, "l": 2},
        "n": [(1, "a"), (1, "b")],
        "q": [{"i": "a", "at": 5}] * 4,
    },
)


def _rows() -> Iterator[bytes]:
    for first in range(0, len(_FIELDS), 4):
        for fields in (_FIELDS[first : first + 4], _FIELDS):
            encoder = RowEncoder(Source("s", "user", INT64, Level.REQUEST, fields, "s"))
            lines = []
            for one in fields:
                members = one.fields if isinstance(one, Sequence) else (one,)
                lines += [
                    f"{m.name}|{m.type}|{one.name if isinstance(one, Sequence) else ''}" for m in members
                ]
            declared, plan = "\n".join(lines).encode(), decode_plan(encoder.schema, fields)
            for row in _ROWS:
                body = encoder.encode(row)[10:]
                yield struct.pack("<H", len(declared)) + declared + struct.pack("<H", len(plan)) + plan + body


def _calls() -> Iterator[bytes]:
    for users, items in (([7], ["a", "é🙂", "a"]), ([-1, 2**63 - 1], []), (["u"], ["x" * 40] * 9)):
        message = ScoreRequest()
        for entity, keys in (("user", users), ("item", items)):
            for key in keys:
                given = message.keys[entity]
                (given.integers if isinstance(key, int) else given.strings).values.append(key)
        message.top_k = 5
        yield message.SerializeToString()


def seeds(target: str) -> list[bytes]:
    """The inputs of a target, those that failed once among them."""
    made = {
        "check": _texts,
        "state": _states,
        "bundle": _bundles,
        "program": _programs,
        "rows": _rows,
        "keys": _calls,
    }[target]()
    return [*made, *(path.read_bytes() for path in sorted(FOUND.glob(f"{target}-*")))]


if __name__ == "__main__":
    for name in ("check", "state", "bundle", "program", "rows", "keys"):
        folder = Path(sys.argv[1], name)
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds(name)):
            (folder / f"{number:04}").write_bytes(data)
