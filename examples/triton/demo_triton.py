"""The movie ranker on Triton: `python examples/triton/demo_triton.py`, after `make demo`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE.parent / "movies"))

from elsewhere import Elsewhere, listens, main, process, python_of  # noqa: E402


def make(demo: Path, data: Path, models: Path) -> Elsewhere:
    def server(port: int) -> AbstractContextManager[None]:
        place = ["--repository", str(models), "--port", str(port)]
        command = [python_of(".venv-triton"), str(HERE / "triton_server.py"), *place]
        return process(command, demo / "triton.log", lambda: listens(port))

    return Elsewhere(demo, data, models, "Triton", "triton", server)


if __name__ == "__main__":
    sys.exit(main("The movie ranker on Triton.", make))
