"""The model behind a mix: an embedding an id, the pooled events of the user, three layers."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.easyrec.mix import ITEM, LENGTH, SEQUENCES, USER, Mix

_ID, _BUCKET = 8, 4
"""Numbers an embedding."""

_HIDDEN = (128, 64)


class Ranker(nn.Module):
    """Takes the inputs of `Mix.inputs`. The user's part is brought to every candidate, as one trains it."""

    def __init__(self, mix: Mix, seed: int = 5) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.user_ids, self.user_buckets = _tables(mix, USER)
        self.item_ids, self.item_buckets = _tables(mix, ITEM)
        tables = (self.user_ids, self.user_buckets, self.item_ids, self.item_buckets)
        width = sum(len(table.first) * table.table.embedding_dim for table in tables)
        width += sum(len(mix.inputs()[name]) for name in ("user_numbers", "item_numbers"))
        self.events: Events | None = Events(mix.attribute_buckets) if mix.attributes else None
        width += len(SEQUENCES) * mix.attributes * _ID
        sizes = (width, *_HIDDEN, 1)
        layers: list[nn.Module] = []
        for given, made in pairwise(sizes):
            layers += [nn.Linear(given, made), nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1])

    def forward(
        self,
        user_ids: Tensor,
        user_buckets: Tensor,
        user_numbers: Tensor,
        item_ids: Tensor,
        item_buckets: Tensor,
        item_numbers: Tensor,
        user_events: Tensor | None = None,
    ) -> Tensor:
        user = [self.user_ids(user_ids), self.user_buckets(user_buckets), user_numbers]
        if self.events is not None and user_events is not None:
            user.append(self.events(user_events))
        item = [self.item_ids(item_ids), self.item_buckets(item_buckets), item_numbers]
        of_user = torch.cat(user, 1).expand(item_ids.shape[0], -1)
        like: Tensor = self.net(torch.cat([of_user, *item], 1)).squeeze(1)
        return like


class Tables(nn.Module):
    """A table a column, in one."""

    def __init__(self, rows: list[int], width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(sum(rows), width)
        self.first: Tensor
        self.register_buffer("first", torch.tensor([sum(rows[:k]) for k in range(len(rows))]))

    def forward(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self.table(ids + self.first).flatten(1)
        return embedded


class Events(nn.Module):
    """The mean of a sequence's embeddings, an attribute each; all sequences share an attribute's table."""

    def __init__(self, rows: list[int]) -> None:
        super().__init__()
        self.table = nn.Embedding(sum(rows), _ID)
        first = torch.tensor([sum(rows[:k]) for k in range(len(rows))] * len(SEQUENCES))
        self.first: Tensor
        self.register_buffer("first", first[:, None])

    def forward(self, events: Tensor) -> Tensor:
        ids = events.view(-1, len(self.first), LENGTH)
        there = (ids > 0).unsqueeze(-1)
        total = (self.table(ids + self.first) * there).sum(2)
        pooled: Tensor = (total / there.sum(2).clamp(min=1)).flatten(1)
        return pooled


def _tables(mix: Mix, side: str) -> tuple[Tables, Tables]:
    """Of a side's ids, and of its numbers in buckets."""
    raws = [one for one in mix.raw_features if one.side == side]
    ids = [one.buckets for one in mix.id_features if one.side == side]
    return Tables(ids, _ID), Tables([len(one.numbers) + 1 for one in raws if one.way == "buckets"], _BUCKET)
