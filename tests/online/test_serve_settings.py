"""`[serve]` of feat.toml: what `feat serve` makes of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from featdsl.cli import serve
from featdsl.errors import InputError


def settled(folder: Path, section: str, *options: str) -> argparse.Namespace:
    config = folder / "feat.toml"
    config.write_text(f'[project]\nprogram = "x.feat"\n[serve]\n{section}\n')
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    return serve._with_config(parser.parse_args(["--config", str(config), *options]))


def test_options_come_from_the_file_where_they_are_not_given(tmp_path: Path) -> None:
    section = "workers = 4\nqueue_ms = 200\nconnection_age_s = 5.5\nhost = '0.0.0.0'\nthreads = 3"
    args = settled(tmp_path, section, "--threads", "8", "--queue-ms=50")
    assert (args.workers, args.connection_age_s, args.host) == (4, 5.5, "0.0.0.0")
    assert (args.threads, args.queue_ms) == (8, 50), "though 8 is what stands without either"
    assert args.max_items == 10_000


def test_a_flag_is_true_or_false(tmp_path: Path) -> None:
    args = settled(tmp_path, "model_split = true\nmodel_compile = false")
    assert (args.model_split, args.model_compile) == (True, False)
    assert settled(tmp_path, "model_split = false", "--model-split").model_split
    for value in ("true", "false"):
        with pytest.raises(InputError, match="argument --threads: expected one argument"):
            settled(tmp_path, f"threads = {value}")


def test_parts_of_items_want_an_item_cache(tmp_path: Path) -> None:
    assert serve._model_options(settled(tmp_path, "cache_mb = 8", "--model-item-parts")).item_parts
    with pytest.raises(InputError, match="keeps parts in the item cache, and there is none"):
        serve._model_options(settled(tmp_path, "cache_mb = 0", "--model-item-parts"))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("worker = 4", "there is no such key in feat.toml: serve.worker"),
        ("store = 'lmdb://x'", "there is no such key in feat.toml: serve.store"),
        ("workers = 'many'", "feat.toml, [serve]: argument --workers: invalid int value: 'many'"),
        ("workers = [4]", "serve.workers"),
        ("port = 65536", "argument --port: a port is 0 to 65535: 65536"),
        ("metrics_port = -1", "argument --metrics-port: a port is 0 to 65535: -1"),
        ("when_store_down = 'sleep'", "invalid choice: 'sleep'"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, section: str, said: str) -> None:
    with pytest.raises(InputError) as wrong:
        settled(tmp_path, section)
    assert said in wrong.value.message
