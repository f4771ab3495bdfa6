"""A model for the mix of 120 features: an embedding an id, pooled lists, three layers."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.call.shop import IDS, LIST_INPUTS, NUMBERS

_ROWS, _WIDTH = 1_000_000, 8
_HIDDEN = (256, 64)


class Ranker(nn.Module):
    """Takes what `benchmarks.call.shop` gives a model."""

    def __init__(self, seed: int = 5) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.table = nn.Embedding(_ROWS, _WIDTH)
        sizes = ((len(IDS) + len(LIST_INPUTS)) * _WIDTH + len(NUMBERS), *_HIDDEN, 1)
        layers: list[nn.Module] = []
        for given, made in pairwise(sizes):
            layers += [nn.Linear(given, made), nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1])

    def forward(
        self,
        numbers: Tensor,
        ids: Tensor,
        in_list_cross_0: Tensor,
        in_list_cross_1: Tensor,
        in_list_cross_2: Tensor,
        in_list_cross_3: Tensor,
        in_list_cross_4: Tensor,
        in_list_cross_5: Tensor,
        in_list_cross_6: Tensor,
        in_list_cross_7: Tensor,
        in_list_cross_8: Tensor,
        in_list_cross_9: Tensor,
        in_list_hash_0: Tensor,
        in_list_hash_1: Tensor,
        in_list_hash_2: Tensor,
        in_list_hash_3: Tensor,
        in_list_hash_4: Tensor,
        in_list_hash_5: Tensor,
        in_list_hash_6: Tensor,
        in_list_hash_7: Tensor,
        in_list_hash_8: Tensor,
        in_list_hash_9: Tensor,
    ) -> Tensor:
        lists = (
            in_list_cross_0,
            in_list_cross_1,
            in_list_cross_2,
            in_list_cross_3,
            in_list_cross_4,
            in_list_cross_5,
            in_list_cross_6,
            in_list_cross_7,
            in_list_cross_8,
            in_list_cross_9,
            in_list_hash_0,
            in_list_hash_1,
            in_list_hash_2,
            in_list_hash_3,
            in_list_hash_4,
            in_list_hash_5,
            in_list_hash_6,
            in_list_hash_7,
            in_list_hash_8,
            in_list_hash_9,
        )
        pooled = [self.table(values).mean(1) for values in lists]
        like: Tensor = self.net(torch.cat([numbers, self.table(ids).flatten(1), *pooled], 1)).squeeze(1)
        return like
