"""The interactions in the order of time, and what is known of users and movies at each moment of it.

The store and the trainer are told the same: the rows of a window are those of its start, for both.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compiler.bundle import Bundle
from store.encode import RowEncoder
from store.interface import Store

HISTORY, TOP_GENRES = 50, 5
US = 1_000_000


@dataclass(frozen=True, slots=True)
class Interaction:
    """A user rated a movie. `at_us`: when the answer to it is asked for, which is when the user came."""

    user: int
    item: str
    rating: int
    liked: bool
    at_us: int


@dataclass(slots=True)
class _User:
    count: int = 0
    total: int = 0
    genres: Counter[str] = field(default_factory=Counter)
    last: deque[Interaction] = field(default_factory=lambda: deque(maxlen=HISTORY))


@dataclass(slots=True)
class _Movie:
    count: int = 0
    total: int = 0


def windows(data: Path, size: int) -> Iterator[list[Interaction]]:
    """All interactions in the order of time, so many at a time. Within a window, what a user did counts as of when the
    user came: that is one call."""
    log = pq.read_table(
        data / "interactions.parquet", columns=["user_id", "item_id", "rating", "label", "ts"]
    )
    rows = log.sort_by([("ts", "ascending"), ("user_id", "ascending"), ("item_id", "ascending")]).to_pylist()
    for start in range(0, len(rows), size):
        window = rows[start : start + size]
        came = {row["user_id"]: row["ts"] * US for row in reversed(window)}
        yield [
            Interaction(
                row["user_id"], row["item_id"], row["rating"], bool(row["label"]), came[row["user_id"]]
            )
            for row in window
        ]


class World:
    """What is known up to now: `learn` moves it on. As rows of the program's sources: `joined` for a trainer, `write`
    for a store."""

    def __init__(self, data: Path) -> None:
        items = pq.read_table(data / "items.parquet", columns=["item_id", "title", "year", "genres"])
        self._catalogue = {row.pop("item_id"): row for row in items.to_pylist()}
        self._users: dict[int, _User] = {}
        self._movies: dict[str, _Movie] = {}

    def users(self) -> Iterable[int]:
        """Who has rated anything."""
        return self._users.keys()

    def ratings(self) -> dict[str, int]:
        """By movie how often it has been rated."""
        return {item: movie.count for item, movie in self._movies.items()}

    def ratings_of(self, item: str) -> int:
        """How often the movie has been rated."""
        movie = self._movies.get(item)
        return 0 if movie is None else movie.count

    def learn(self, window: Iterable[Interaction]) -> None:
        """The interactions have happened."""
        for one in window:
            user = self._users.setdefault(one.user, _User())
            movie = self._movies.setdefault(one.item, _Movie())
            for counted in (user, movie):
                counted.count += 1
                counted.total += one.rating
            user.genres.update(self._catalogue.get(one.item, {}).get("genres") or [])
            user.last.append(one)

    # --- rows ---------------------------------------------------------------------------------------------

    def _rows(self, source: str, key: Any) -> dict[str, Any] | None:
        if source == "movie":
            return self._catalogue.get(key)
        if source == "movie_stats":
            movie = self._movies.get(key)
            if movie is None:
                return None
            return {"n_ratings": movie.count, "mean_rating": movie.total / movie.count}
        user = self._users.get(key)
        if user is None:
            return None
        if source == "profile":
            top = sorted(user.genres, key=lambda genre: (-user.genres[genre], genre))[:TOP_GENRES]
            return {"n_ratings": user.count, "mean_rating": user.total / user.count, "top_genres": top}
        return {
            "ratings": [{"item_id": e.item, "rating": e.rating, "at": e.at_us} for e in user.last],
        }

    def joined(self, window: Sequence[Interaction]) -> pa.Table:
        """The rows of a window, as `feat run` reads them."""
        users, items = [one.user for one in window], [one.item for one in window]
        return pa.table(
            {
                "user": pa.array(users, pa.int64()),
                "item": pa.array(items, pa.string()),
                "request": pa.array([{"at": one.at_us} for one in window]),
                **{name: self._column(name, users) for name in ("profile", "history")},
                **{name: self._column(name, items) for name in ("movie", "movie_stats")},
            }
        )

    def _column(self, source: str, keys: Sequence[Any]) -> pa.Array:
        return pa.array([self._rows(source, key) for key in keys], _TYPES[source])

    def write_all(self, store: Store, bundle: Bundle) -> None:
        """Every row of every source."""
        for source, keys in (
            ("movie", self._catalogue),
            ("movie_stats", self._movies),
            ("profile", self._users),
            ("history", self._users),
        ):
            self._write(store, bundle, source, keys)

    def write(self, store: Store, bundle: Bundle, window: Sequence[Interaction]) -> None:
        """The rows that these interactions have changed."""
        users, items = {one.user for one in window}, {one.item for one in window}
        for source, keys in (("movie_stats", items), ("profile", users), ("history", users)):
            self._write(store, bundle, source, keys)

    def _write(self, store: Store, bundle: Bundle, source: str, keys: Iterable[Any]) -> None:
        encoder = RowEncoder(bundle.schema.source(source))
        store.put_schema(encoder.fingerprint, encoder.schema)
        store.put_many(source, ((key, encoder.encode(self._rows(source, key) or {})) for key in keys))


_RATED = {"n_ratings": pa.int32(), "mean_rating": pa.float64()}
_EVENT = pa.struct({"item_id": pa.string(), "rating": pa.int32(), "at": pa.int64()})
_TYPES = {
    "profile": pa.struct({**_RATED, "top_genres": pa.list_(pa.string())}),
    "history": pa.struct({"ratings": pa.list_(_EVENT)}),
    "movie": pa.struct({"title": pa.string(), "year": pa.int32(), "genres": pa.list_(pa.string())}),
    "movie_stats": pa.struct(_RATED),
}
