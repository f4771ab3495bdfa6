"""Imported by processes that others are forked from: has published once, so that all that takes is loaded."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from model_sync import Publisher
from tests.model_sync.trainers import Trainer, ranker_bundle

torch.set_num_threads(1)  # threads would not be there after a fork

with tempfile.TemporaryDirectory() as _folder:
    _trainer = Trainer()
    _trainer.step()
    with Publisher(f"{_folder}/registry", _trainer.module, ranker_bundle(Path(_folder))) as _publisher:
        _publisher.publish()
