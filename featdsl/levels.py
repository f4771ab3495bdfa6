"""Levels: how often an expression has to be computed in one scoring call."""

from __future__ import annotations

import enum


class Level(enum.IntFlag):
    """A set of what an expression reads; the level of two together is `a | b`.

    CONSTANT: nothing. REQUEST: the request and its entities' rows, once a call. ITEM: rows of a
    per-candidate entity, once an item. PAIR (= REQUEST | ITEM, or `candidate`): once a candidate.
    AFTER: the model's outputs, once a candidate after the model has answered.
    """

    CONSTANT = 0
    REQUEST = 1
    ITEM = 2
    PAIR = 3
    AFTER = 7

    @property
    def label(self) -> str:
        return (self.name or "?").lower()
