"""matxscript beside us: a process in an environment of its own, which times itself."""

from __future__ import annotations

import json
import os
import subprocess
from types import TracebackType
from typing import Any

from benchmarks.measure import ROOT
from benchmarks.titles.python_peer import WIDTH

ENVIRONMENT = ROOT / ".venv-matxscript"
PYTHON = ENVIRONMENT / "bin" / "python"


class Matxscript:
    """Errors: `OSError` when it is not installed, `RuntimeError` when it ended."""

    def __init__(self, vocab: list[str], calls: list[list[str]]) -> None:
        self._process = subprocess.Popen(
            [PYTHON, "-m", "benchmarks.titles.matxscript_worker"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "MATX_DSO_DIR": str(ENVIRONMENT / "compiled")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.forms: list[str] = self._ask({"vocab": vocab, "calls": calls, "width": WIDTH})

    def ids(self, form: str, call: int) -> list[list[int]]:
        flat: list[int] = self._ask({"form": form, "call": call})
        return [flat[at : at + WIDTH] for at in range(0, len(flat), WIDTH)]

    def timed(self, form: str, seconds: float) -> list[float]:
        taken: list[float] = self._ask({"form": form, "seconds": seconds})
        return taken

    def _ask(self, what: dict[str, Any]) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(what) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"matxscript ended: {process.stderr.read()[-2_000:]}")
        return json.loads(answer)

    def __enter__(self) -> Matxscript:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
