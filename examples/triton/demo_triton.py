"""The movie ranker on Triton: `python examples/triton/demo_triton.py`, after `make demo`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE.parent / "movies"))

from elsewhere import Elsewhere, listens, main, process, python_of  # noqa: E402
from triton_layout import export  # noqa: E402

from online.model_server.triton import load_model  # noqa: E402


def make(demo: Path, data: Path, models: Path) -> Elsewhere:
    ports: list[int] = []

    def put(version: int) -> None:
        """A version for Triton; a running one is told to look, over gRPC."""
        export(demo / "registry", version, models)
        for port in ports:
            load_model(f"127.0.0.1:{port}", "ranker")

    def server(port: int) -> AbstractContextManager[None]:
        ports.append(port)
        place = ["--repository", str(models), "--port", str(port), "--load", "ranker"]
        command = [python_of(".venv-triton"), str(HERE / "triton_server.py"), *place]
        return process(command, demo / "triton.log", lambda: listens(port))

    return Elsewhere(demo, data, "Triton", "triton", put, server)


if __name__ == "__main__":
    sys.exit(main("The movie ranker on Triton.", make))
