"""Trains the ranker on a dataset that `feat dataset` made, and saves it for `feat publish`.

python examples/movies/train.py --bundle movies.featb --dataset dataset --until 1378000000 --out models/first
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from compiler.bundle import read_bundle
from featdsl.torch import Dataset, save_model

BUCKETS = {"items": 20_000, "users": 20_000, "genres": 32, "words": 5_000, "crosses": 20_000, "bucket": 8}
WIDTH = 16


class Ranker(nn.Module):
    """Embeddings of ids, means over lists (0 is padding), and two layers over all of it.

    Inputs by the names in `movies.feat`; those that end in `_once` have one row for the whole call.
    """

    def __init__(self, dense: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dense)
        self.items = nn.Embedding(BUCKETS["items"], WIDTH)
        self.users = nn.Embedding(BUCKETS["users"], WIDTH)
        self.genres = nn.Embedding(BUCKETS["genres"], WIDTH)
        self.words = nn.Embedding(BUCKETS["words"], WIDTH)
        self.crosses = nn.Embedding(BUCKETS["crosses"], WIDTH)
        self.bucket = nn.Embedding(BUCKETS["bucket"], WIDTH)
        for table in (self.items, self.users, self.genres, self.words, self.crosses, self.bucket):
            nn.init.normal_(table.weight, std=0.02)
        self.layers = nn.Sequential(
            nn.Linear(dense + 8 * WIDTH, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1)
        )

    def forward(
        self,
        dense: Tensor,
        item_ids: Tensor,
        genres: Tensor,
        title: Tensor,
        crosses: Tensor,
        user_once: Tensor,
        bucket_once: Tensor,
        recent_once: Tensor,
    ) -> dict[str, Tensor]:
        rows = dense.shape[0]
        item = self.items(item_ids)
        recent = mean_of(self.items, recent_once)
        once = torch.cat([self.users(user_once), self.bucket(bucket_once), recent], 1).expand(rows, -1)
        parts = [
            self.norm(dense),
            item,
            item * recent.expand(rows, -1),
            mean_of(self.genres, genres),
            mean_of(self.words, title),
            mean_of(self.crosses, crosses),
            once,
        ]
        return {"like": torch.sigmoid(self.layers(torch.cat(parts, 1))).squeeze(1)}


def mean_of(table: nn.Embedding, ids: Tensor) -> Tensor:
    """[n, k] ids to [n, width]: the mean over the ids that are not 0."""
    present = (ids != 0).to(torch.float32).unsqueeze(2)
    mean: Tensor = (table(ids) * present).sum(1) / present.sum(1).clamp(min=1.0)
    return mean


def auc(scores: Tensor, labels: Tensor) -> float:
    """The share of (liked, not liked) pairs that the scores order rightly; ties count one half."""
    _, inverse, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    last = torch.cumsum(counts, 0).to(torch.float64)
    rank = (last - (counts - 1) / 2)[inverse]
    positive = labels > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return 0.5
    return float((rank[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def inputs_of(batch: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    return {name: batch[name] for name in names}


def train(
    bundle_path: Path,
    dataset: Path,
    out: Path,
    *,
    until_us: int,
    test_from_us: int,
    epochs: int,
    seed: int = 1,
) -> tuple[float, int]:
    """Trains on the rows before `until_us` and saves the model. Returns the AUC on the rows from `test_from_us`
    on, and how many rows it was trained on."""
    torch.manual_seed(seed)
    bundle = read_bundle(bundle_path)
    signature = bundle.model("ranker")
    names = [t.name for t in signature.inputs]
    dense = next(t.shape[1] for t in signature.inputs if t.name == "dense")
    assert dense is not None
    model = Ranker(dense)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=3e-2)
    columns = [*names, "liked"]
    rows = Dataset(
        dataset, batch_size=2048, columns=columns, where=("time", None, until_us), shuffle_seed=seed,
        fingerprint=bundle.fingerprint,
    )  # fmt: skip
    seen = 0
    for _ in range(epochs):
        seen = 0
        for batch in rows:
            liked = batch.pop("liked")
            if len(liked) < 2:
                continue
            loss = nn.functional.binary_cross_entropy(model(**inputs_of(batch, names))["like"], liked)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            seen += len(liked)
    model.eval()
    scores, labels = [], []
    with torch.inference_mode():
        for batch in Dataset(dataset, batch_size=8192, columns=columns, where=("time", test_from_us, None)):
            labels.append(batch.pop("liked"))
            scores.append(model(**inputs_of(batch, names))["like"])
    quality = auc(torch.cat(scores), torch.cat(labels)) if scores else 0.5
    save_model(model, bundle, out, metrics={"auc": quality, "rows": seen})
    return quality, seen


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the movie ranker.")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--dataset", type=Path, required=True, help="what `feat dataset` wrote")
    parser.add_argument("--out", type=Path, required=True, help="where the model is saved")
    parser.add_argument(
        "--until", type=int, required=True, help="train on rows before this time (unix seconds)"
    )
    parser.add_argument(
        "--test-from", type=int, required=True, help="test on rows from this time on (unix seconds)"
    )
    parser.add_argument("--epochs", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(2)
    quality, rows = train(
        args.bundle,
        args.dataset,
        args.out,
        until_us=args.until * 1_000_000,
        test_from_us=args.test_from * 1_000_000,
        epochs=args.epochs,
    )
    print(f"   trained on {rows:,} rows; AUC on later interactions {quality:.4f}")


if __name__ == "__main__":
    main()
