"""The process that compiles a version's graph: `python -m online.model_server.compiling MODEL OPTIONS TARGET`.

Compiling takes tens of seconds and imports much, and the compiler may crash: so it has a process of its own, which runs
behind those that answer (`nice`) and ends with the one that waits for it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from online.model_server.options import ModelOptions

COMPILE_TIMEOUT_S = 600.0
_BEHIND = 5
_PR_SET_PDEATHSIG = 1


class NotCompiled(Exception):
    """The text says why."""


def compile_once(directory: Path, options: ModelOptions, target: Path) -> None:
    """The same as `compile_aside`; where that has failed for this folder before, it fails at once: a process that is
    started again must answer soon. Errors: `NotCompiled`."""
    failed = directory.with_name(f"{directory.name}.not-compiled")
    if failed.exists():
        raise NotCompiled(failed.read_text())
    try:
        compile_aside(directory, options, target)
    except NotCompiled as fault:
        failed.write_text(str(fault))
        raise


def compile_aside(directory: Path, options: ModelOptions, target: Path) -> None:
    """Compiles the graph of the model in `directory` in a process of its own. Errors: `NotCompiled`."""
    command = [sys.executable, "-m", "online.model_server.compiling", str(directory)]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        try:
            done = subprocess.run(
                [*command, json.dumps(options.as_json()), str(target)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=COMPILE_TIMEOUT_S,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                    "TMPDIR": folder,
                    "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
                },
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            raise NotCompiled(f"it was not done in {COMPILE_TIMEOUT_S:.0f} s") from fault
    if done.returncode < 0:
        raise NotCompiled(f"the compiling process died of signal {-done.returncode}")
    if done.returncode or not target.exists():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotCompiled(lines[-1] if lines else "the compiling process ended without a word")


def main(directory: str, options: str, target: str) -> int:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it was watched
        return 1
    os.nice(_BEHIND)
    import torch

    from featdsl.errors import InputError
    from featdsl.torch.item_parts import item_inputs, part_items
    from featdsl.torch.machine_code import compile_form
    from featdsl.torch.saved_model import load_dense
    from online.model_server.graphs import graphs_of

    chosen = ModelOptions.of_json(json.loads(options))
    torch.set_num_threads(chosen.threads)
    try:
        model = load_dense(Path(directory))
        if chosen.item_parts:
            parted = part_items(model, item_inputs(Path(directory), model.name))
            assert not isinstance(parted, str), "who asks has parted it"
            model = parted.rest
        compile_form(graphs_of(model, chosen, on_device=False).form(), Path(target))
    except Exception as fault:  # whatever torch and the compiler raise
        said = " ".join(str(fault).split())
        kind = "" if isinstance(fault, InputError) else f"{type(fault).__name__}: "
        print(f"{kind}{said[:300]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
