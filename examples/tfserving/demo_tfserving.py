"""The movie ranker on TensorFlow Serving: `python examples/tfserving/demo_tfserving.py`, after `make demo`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE.parent / "movies"))

from elsewhere import Elsewhere, listens, main, process, python_of  # noqa: E402


def make(demo: Path, data: Path, models: Path) -> Elsewhere:
    python = python_of(".venv-tensorflow")

    def server(port: int) -> AbstractContextManager[None]:
        place = ["--model", f"ranker={models / 'ranker'}", "--port", str(port)]
        command = [python, str(HERE / "tf_server.py"), *place]
        return process(command, demo / "tfserving.log", lambda: listens(port))

    convert = f"{python} {HERE / 'saved_model_layout.py'}"
    return Elsewhere(demo, data, models, "TensorFlow Serving", "tfs", server, "--convert", convert)


if __name__ == "__main__":
    sys.exit(main("The movie ranker on TensorFlow Serving.", make))
