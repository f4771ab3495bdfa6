"""The movie ranker with tables by 64-bit id, and how it is trained: what has come, once, in the order of time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from featdsl.torch import EmbeddingTable, RowAdagrad

WIDTH, GENRES = 16, 32
BATCH = 128


class Ranker(nn.Module):
    """Rows of ids, means over lists (0 is padding), and two layers over all of it.

    Inputs by the names in `movies.feat`; those that end in `_once` have one row for the whole call.
    """

    def __init__(self, dense: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dense, momentum=0.01)
        self.items = EmbeddingTable("items", WIDTH, scale=0.02, seed=1)
        self.users = EmbeddingTable("users", WIDTH, scale=0.02, seed=2)
        self.words = EmbeddingTable("words", WIDTH, admit_after=5, scale=0.02, seed=3)
        self.crosses = EmbeddingTable("crosses", WIDTH, admit_after=5, scale=0.02, seed=4)
        self.genres = nn.Embedding(GENRES, WIDTH)
        nn.init.normal_(self.genres.weight, std=0.02)
        self.layers = nn.Sequential(
            nn.Linear(dense + 7 * WIDTH, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1)
        )

    def forward(
        self,
        dense: Tensor,
        item_ids: Tensor,
        genre_ids: Tensor,
        word_ids: Tensor,
        cross_ids: Tensor,
        user_once: Tensor,
        recent_once: Tensor,
    ) -> dict[str, Tensor]:
        rows = dense.shape[0]
        item = self.items(item_ids)
        recent = mean_of(self.items, recent_once).expand(rows, -1)
        parts = [
            self.norm(dense),
            item,
            item * recent,
            mean_of(self.genres, genre_ids),
            mean_of(self.words, word_ids),
            mean_of(self.crosses, cross_ids),
            self.users(user_once).expand(rows, -1),
            recent,
        ]
        return {"like": torch.sigmoid(self.layers(torch.cat(parts, 1))).squeeze(1)}


def mean_of(table: nn.Module, ids: Tensor) -> Tensor:
    """[n, k] ids to [n, width]: the mean over the ids that are not 0."""
    present = (ids != 0).to(torch.float32).unsqueeze(2)
    mean: Tensor = (table(ids) * present).sum(1) / present.sum(1).clamp(min=1.0)
    return mean


class Training:
    """The ranker and its optimizers."""

    def __init__(self, dense: int, *, seed: int, lr: float = 3e-3, row_lr: float = 0.2) -> None:
        torch.manual_seed(seed)
        self.ranker = Ranker(dense)
        self._layers = torch.optim.AdamW(self.ranker.parameters(), lr=lr, weight_decay=1e-2)
        tables = [module for module in self.ranker.modules() if isinstance(module, EmbeddingTable)]
        self._rows = RowAdagrad(tables, lr=row_lr, initial=0.01)

    def learn(self, inputs: Mapping[str, Tensor], liked: Tensor) -> float:
        """One pass over these interactions. Returns the mean loss, of each batch before its step."""
        self.ranker.train()
        losses = []
        for start in range(0, len(liked), BATCH):
            part = {name: tensor[start : start + BATCH] for name, tensor in inputs.items()}
            wanted = liked[start : start + BATCH]
            if len(wanted) < 2:  # nothing that a batch norm could take a deviation of
                continue
            loss = nn.functional.binary_cross_entropy(self.ranker(**part)["like"], wanted)
            self._layers.zero_grad()
            torch.autograd.backward(loss)
            self._layers.step()
            self._rows.step()
            losses.append(loss.item())
        return sum(losses) / max(1, len(losses))

    def scores(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """What the ranker says as it is now."""
        self.ranker.eval()
        with torch.inference_mode():
            like: Tensor = self.ranker(**inputs)["like"]
        return like
