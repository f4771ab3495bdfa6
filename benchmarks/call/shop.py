"""The whole call's stage: the mix as a model's inputs, its rows in a store, and calls as bytes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.mix.data import SHORT, Catalogue, Row
from benchmarks.mix.ours import FILE
from benchmarks.mix.python_peer import NAMES
from compiler.bundle import Bundle, compile_program
from featdsl.check import check
from online.proto.scorer_pb2 import ScoreRequest
from store.encode import RowEncoder
from store.interface import Store

LIST_INPUTS = [name for name in NAMES if name.startswith("list_")]
NUMBERS = [name for name in NAMES if name.startswith(("scaled_", "ratio_"))]
IDS = [name for name in NAMES if name not in NUMBERS and name not in LIST_INPUTS]
"""What the model takes: `numbers` and `ids` side by side, each padded list as an input of its own."""

_MODEL = f"""
model ranker {{
  numbers: float32 = [{", ".join(NUMBERS)}]
  ids: int64 = [{", ".join(f"int64({n})" if n.startswith("compare_") else n for n in IDS)}]
  {chr(10).join(f"in_{name}: int64 = {name}" for name in LIST_INPUTS)}

  output like: float32
}}
"""


@dataclass(frozen=True)
class Shop:
    """`users` and `items` by key, as rows."""

    bundle: Bundle
    users: dict[int, Row]
    items: dict[str, Row]
    vocabs: list[list[str]]

    def fill(self, store: Store) -> None:
        """Writes every row, as `feat load` does."""
        for source in self.bundle.schema.sources:
            encoder = RowEncoder(source)
            store.put_schema(encoder.fingerprint, encoder.schema)
            rows = self.users if source.name == "profile" else self.items
            store.put_many(source.name, ((key, encoder.encode(row)) for key, row in rows.items()))

    def calls(self, count: int, size: int, *, hot: int | None = None, seed: int = 3) -> list[bytes]:
        """`count` requests of `size` different items each, as they come off the wire; `hot`: drawn from so
        many items only."""
        rng = random.Random(seed)
        items = list(self.items)[:hot]
        made = []
        for _ in range(count):
            message = ScoreRequest()
            message.keys["user"].integers.values.append(rng.choice(list(self.users)))
            message.keys["item"].strings.values.extend(rng.sample(items, size))
            made.append(message.SerializeToString())
        return made


def shop(items: int = 20_000, users: int = 500) -> Shop:
    """The mix with a model, and the rows of a catalogue."""
    catalogue = Catalogue(items, users, lists=SHORT)
    text = FILE.read_text() + _MODEL
    overlay = {
        f"vocab_{k}.txt": "".join(f"{word}\n" for word in words) for k, words in enumerate(catalogue.vocabs)
    }
    checked = check("mix.feat", overlay={"mix.feat": text, **overlay})
    assert checked.program is not None, checked.diagnostics
    keyed = {f"movie-{number:06}": row for number, row in enumerate(catalogue.items)}
    return Shop(compile_program(checked.program), dict(enumerate(catalogue.users)), keyed, catalogue.vocabs)
