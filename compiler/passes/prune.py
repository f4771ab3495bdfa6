"""Prune: keeps what a root needs, and numbers it anew from 0."""

from __future__ import annotations

from compiler.ir import Module
from compiler.passes.rewrite import copy, rewrite


def prune(module: Module) -> Module:
    return rewrite(module, copy)
