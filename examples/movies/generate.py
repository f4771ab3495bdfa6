"""Makes a data set like MovieTweetings: users, items and interactions with the same columns and the same mess.

    python examples/movies/generate.py --out DIR [--users 4000] [--items 2500] [--interactions 40000] [--seed 7]

The tables have nulls, empty lists, titles in many scripts, a long tail of users and items, users without a
profile and items that nobody rated. The same seed gives the same files. Likes follow genres, so that a model has
something to learn.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GENRES = (Path(__file__).parent / "vocab" / "genres.txt").read_text().split()
WORDS = (
    "the of last night city love war dog dream Été São Straße İstanbul ΟΔΟΣ Москва 東京 映画 قلب नदी "
    "return story house moon river king queen 2 III lost found Æon naïve 🎬 zero ﬁnal"
).split()
FIRST_S, PROFILE_S, LAST_S = 1362062307, 1375315200, 1383695741
HISTORY, RECENT = 50, 20


def items_table(rng: np.random.Generator, count: int) -> tuple[pa.Table, list[list[str]], np.ndarray]:
    """The movies, each one's genres, and how good it is."""
    genres = [
        sorted(rng.choice(GENRES, size=min(8, rng.poisson(2.2)), replace=False).tolist())
        for _ in range(count)
    ]
    quality = rng.normal(0.0, 1.0, count)
    titles = [
        None if rng.random() < 0.002 else " ".join(rng.choice(WORDS, size=rng.integers(1, 7))).capitalize()
        for _ in range(count)
    ]
    method = [
        None if rng.random() < 0.2 else str(rng.choice(["perfect", "partial", "pattern", "any"]))
        for _ in titles
    ]
    linked = [how is not None for how in method]
    updated = np.datetime64("2015-01-01", "us") + rng.integers(0, 2 * 365 * 86_400, count) * 1_000_000
    table = pa.table(
        {
            "item_id": pa.array([f"{i * 37 + 11:07d}" for i in range(count)]),
            "title": pa.array(titles, pa.string()),
            "year": pa.array(rng.integers(1898, 2014, count).astype(np.int32)),
            "genres": pa.array(genres, pa.list_(pa.string())),
            "dbpedia_uri": pa.array(
                [f"resource/{i}" if there else None for i, there in enumerate(linked)], pa.string()
            ),
            "link_method": pa.array(method, pa.string()),
            "link_title_conf": pa.array(np.where(linked, rng.random(count).round(3), 0.0)),
            "link_year_conf": pa.array(np.where(linked, rng.integers(0, 2, count), 0).astype(np.float64)),
            "link_genre_conf": pa.array(np.where(linked, rng.random(count).round(3), 0.0)),
            "link_updated": pa.array(updated, pa.timestamp("us")),
        }
    )
    return table, genres, quality


def interactions_table(
    rng: np.random.Generator,
    users: int,
    count: int,
    genres: list[list[str]],
    quality: np.ndarray,
    ids: list[str],
) -> pa.Table:
    """Ratings in time, with each user's history as of then (events that are strictly earlier)."""
    user_weight = rng.pareto(1.1, users) + 0.05
    item_weight = rng.pareto(0.9, len(ids)) + 0.02
    drawn = 4 * count  # the same pair is drawn again and again, and counts once
    who = rng.choice(users, size=drawn, p=user_weight / user_weight.sum())
    what = rng.choice(len(ids), size=drawn, p=item_weight / item_weight.sum())
    pairs = np.unique(np.stack([who, what], axis=1), axis=0)
    rng.shuffle(pairs)
    pairs = pairs[:count]
    when = np.sort(rng.integers(FIRST_S, LAST_S + 1, len(pairs)))
    likes = [set(rng.choice(GENRES, size=4, replace=False).tolist()) for _ in range(users)]

    past: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
    columns: dict[str, list[object]] = defaultdict(list)
    for (user, item), ts in zip(pairs.tolist(), when.tolist(), strict=True):
        fit = len(likes[user] & set(genres[item]))
        rating = int(np.clip(round(7.0 + 1.1 * fit + quality[item] + rng.normal(0, 1.2)), 0, 10))
        earlier = [event for event in past[user] if event[0] < ts][-HISTORY:]
        past[user].append((ts, ids[item], rating))
        row = {
            "user_id": user + 1, "item_id": ids[item], "rating": rating, "label": int(rating >= 8), "ts": ts,
            "hist_item_ids": [e[1] for e in earlier], "hist_ratings": [e[2] for e in earlier],
            "hist_ts": [e[0] for e in earlier],
        }  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    types = {
        "user_id": pa.int64(), "item_id": pa.string(), "rating": pa.int32(), "label": pa.int32(), "ts": pa.int64(),
        "hist_item_ids": pa.list_(pa.string()), "hist_ratings": pa.list_(pa.int32()), "hist_ts": pa.list_(pa.int64()),
    }  # fmt: skip
    return pa.table({name: pa.array(columns[name], kind) for name, kind in types.items()})


def users_table(
    users: int, events: list[tuple[int, str, int, int]], genres_of: dict[str, list[str]]
) -> pa.Table:
    """What each user had rated before the profile's time."""
    mine: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for user, item, rating, ts in events:
        if ts < PROFILE_S:
            mine[user].append((item, rating, ts))
    rows = []
    for user in range(1, users + 1):
        rated = mine[user]
        counts: dict[str, int] = defaultdict(int)
        for item, _, _ in rated:
            for genre in genres_of[item]:
                counts[genre] += 1
        rows.append(
            {
                "user_id": user,
                "profile_ts": PROFILE_S,
                "n_ratings": len(rated),
                "mean_rating": sum(r for _, r, _ in rated) / len(rated) if rated else None,
                "first_ts": rated[0][2] if rated else None,
                "last_ts": rated[-1][2] if rated else None,
                "top_genres": sorted(counts, key=lambda g: (-counts[g], g))[:5],
                "recent_item_ids": [item for item, _, _ in rated[-RECENT:]],
            }
        )
    schema = pa.schema(
        {
            "user_id": pa.int64(), "profile_ts": pa.int64(), "n_ratings": pa.int32(), "mean_rating": pa.float64(),
            "first_ts": pa.int64(), "last_ts": pa.int64(), "top_genres": pa.list_(pa.string()),
            "recent_item_ids": pa.list_(pa.string()),
        }
    )  # fmt: skip
    return pa.Table.from_pylist(rows, schema)


def with_statistics(items: pa.Table, events: list[tuple[int, str, int, int]]) -> pa.Table:
    """The items with how often and how well they were rated before the statistics' time."""
    ratings: dict[str, list[int]] = defaultdict(list)
    for _, item, rating, ts in events:
        if ts < PROFILE_S:
            ratings[item].append(rating)
    ids = items["item_id"].to_pylist()
    means = [sum(ratings[i]) / len(ratings[i]) if ratings[i] else None for i in ids]
    return (
        items.append_column("stat_ts", pa.array([PROFILE_S] * len(ids), pa.int64()))
        .append_column("n_ratings", pa.array([len(ratings[i]) for i in ids], pa.int32()))
        .append_column("mean_rating", pa.array(means, pa.float64()))
    )


def generate(
    out: Path, *, users: int = 4000, items: int = 2500, interactions: int = 40_000, seed: int = 7
) -> None:
    """Writes `users.parquet`, `items.parquet` and `interactions.parquet` to `out`."""
    rng = np.random.default_rng(seed)
    movies, genres, quality = items_table(rng, items)
    ids = movies["item_id"].to_pylist()
    # the last tenth of the items is new: nobody has rated them yet
    rated = max(1, items * 9 // 10)
    log = interactions_table(rng, users, interactions, genres[:rated], quality[:rated], ids[:rated])
    events = list(
        zip(*(log[name].to_pylist() for name in ("user_id", "item_id", "rating", "ts")), strict=True)
    )
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(log, out / "interactions.parquet")
    pq.write_table(users_table(users, events, dict(zip(ids, genres, strict=True))), out / "users.parquet")
    pq.write_table(with_statistics(movies, events), out / "items.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes a data set like MovieTweetings.")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--items", type=int, default=2500)
    parser.add_argument("--interactions", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    generate(args.out, users=args.users, items=args.items, interactions=args.interactions, seed=args.seed)
    print(f"wrote users, items and interactions to {args.out}")


if __name__ == "__main__":
    main()
