"""The movie ranker on TensorFlow Serving: `python examples/tfserving/demo_tfserving.py`, after `make demo`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE.parent / "movies"))

from elsewhere import Elsewhere, listens, main, process, python_of  # noqa: E402

from model_sync import open_registry  # noqa: E402


def make(demo: Path, data: Path, models: Path) -> Elsewhere:
    python = python_of(".venv-tensorflow")

    def put(version: int) -> None:
        """A version for the server, which looks for folders by itself."""
        published = demo / "tfserving" / f"{version}"
        shutil.rmtree(published, ignore_errors=True)
        published.parent.mkdir(exist_ok=True)
        open_registry(f"dir://{demo / 'registry'}").fetch(version, published)
        place = ["--version-folder", str(published), "--out", str(models / "ranker" / f"{version}")]
        (models / "ranker").mkdir(exist_ok=True)
        command = [python, str(HERE / "saved_model_layout.py"), *place]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    def server(port: int) -> AbstractContextManager[None]:
        place = ["--model", f"ranker={models / 'ranker'}", "--port", str(port)]
        command = [python, str(HERE / "tf_server.py"), *place]
        return process(command, demo / "tfserving.log", lambda: listens(port))

    return Elsewhere(demo, data, "TensorFlow Serving", "tfs", put, server)


if __name__ == "__main__":
    sys.exit(main("The movie ranker on TensorFlow Serving.", make))
