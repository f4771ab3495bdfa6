"""The scoring server in front of TorchServe: `feat serve` in all but its model server.

    python -m benchmarks.model_servers.front BUNDLE STORE_URL REGISTRY TORCHSERVE_ADDRESS

Prints its port.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.model_servers.torchserve import TorchServe
from compiler.bundle import read_bundle
from online.server import ScoringServer, ServerOptions
from online.stopping import Stopping

_CACHE_BYTES = 256 << 20


def main() -> None:
    path, store, registry, address = sys.argv[1:]
    bundle = read_bundle(Path(path))
    model = next(iter(bundle.models.values()))
    options = ServerOptions(cache_bytes=_CACHE_BYTES)
    server = ScoringServer(bundle, model, store, registry, TorchServe(address), options)
    stopping = Stopping()
    print(server.start(), flush=True)
    stopping.told.wait()
    server.stop(1.0)


if __name__ == "__main__":
    main()
