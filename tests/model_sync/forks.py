"""Processes of tests that are forked from one that has torch loaded and has published before."""

from __future__ import annotations

import multiprocessing

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.model_sync.warm"])
