"""A model's graph as machine code, which torch's Inductor compiles ahead of time.

The code holds no parameters: it is given them when it is loaded, and so serves every version of the same graph. It is
made for the processor that it was compiled on.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from featdsl.errors import InputError
from featdsl.torch.form import Form

_SOURCE = Path(__file__).with_suffix(".cpp")
_SUFFIX = ".code.pt2"


def compiled_path(form: Form, folder: Path, *, threads: int) -> Path:
    """Where the code of a graph is, if it has been compiled."""
    machine = [torch.__version__, platform.machine(), torch.backends.cpu.get_cpu_capability(), str(threads)]
    name = hashlib.sha256(" ".join([form.digest(), *machine]).encode()).hexdigest()
    return folder / f"{name}{_SUFFIX}"


def compile_form(form: Form, target: Path) -> None:
    """Compiles a graph, for as many threads as torch has set, and what runs it. It takes tens of seconds, and imports
    much. Errors: whatever torch and the compiler raise."""
    with tempfile.TemporaryDirectory(dir=target.parent) as writing, ThreadPoolExecutor(1) as beside:
        runner = beside.submit(_runner, target.parent)
        try:
            made = _compiled(form, f"{writing}/{target.name}")
        finally:
            runner.result()  # its error says best what is wrong with the compiler
        os.replace(made, target)


def _compiled(form: Form, package: str) -> str:
    return str(
        torch._inductor.aoti_compile_and_package(
            form.export(),
            package_path=package,
            inductor_configs={
                "aot_inductor.package_constants_in_so": False,
                "always_keep_tensor_constants": True,  # small ones would become part of the code
                "aot_inductor.precompile_headers": False,  # a quarter of a gigabyte, for one use
                "cpp_cache_precompile_headers": False,
                "compile_threads": 1,
                "cpp.vec_isa_ok": True,  # what the processor has; else ten programs are compiled to try
            },
        )
    )


class MachineCode:
    """Compiled code with a model's parameters, which stay where they are."""

    def __init__(self, package: Path, form: Form, *, at_once: int) -> None:
        """`at_once`: so many threads may run it. Errors: `InputError`, `OSError`, `RuntimeError`."""
        torch.classes.load_library(str(_runner(package.parent)))
        # the loader unpacks into a folder that it removes at its end, which a process that is killed has not
        unpacked = tempfile.mkdtemp(dir=package.parent)
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = unpacked
        try:
            self._code: Any = torch.classes.featdsl.Code(str(package), at_once)
        finally:
            os.environ.pop("TMPDIR")
            if before is not None:
                os.environ["TMPDIR"] = before
            shutil.rmtree(unpacked, ignore_errors=True)  # what is mapped stays
        self._parameters = form.parameters()
        wanted = set(self._code.parameters())
        inside = {name for name in self._parameters if name not in wanted}
        if inside or not wanted <= self._parameters.keys():
            raise InputError(f"the compiled code holds parameters of its own: {', '.join(sorted(inside))}")
        self._code.use({name: tensor for name, tensor in self._parameters.items() if name in wanted})

    def run(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """What the graph gives. Shapes and types are not looked at. Errors: `RuntimeError`."""
        made: list[torch.Tensor] = self._code.run(list(tensors))
        return made


def _runner(folder: Path) -> Path:
    """The library that runs compiled code, made once a folder. Errors: `InputError`, with what the compiler said."""
    library = folder / f"machine_code-{torch.__version__}.so"
    if library.exists():
        return library
    root = Path(torch.__file__).parent
    compiler = os.environ.get("CXX", "g++")
    with tempfile.TemporaryDirectory(dir=folder) as writing:
        made = Path(writing) / library.name
        command = [
            *(compiler, "-std=c++20", "-O1", "-fPIC", "-shared", str(_SOURCE), "-o", str(made)),
            f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
            *(f"-isystem{root / include}" for include in ("include", "include/torch/csrc/api/include")),
            *(f"-L{root / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as fault:
            raise InputError(
                f"no C++ compiler runs: {compiler}: {fault.strerror}",
                help="install g++, or name another one by the variable CXX",
            ) from fault
        if done.returncode:
            said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            raise InputError(f"the C++ compiler fails: {said}")
        os.replace(made, library)
    return library
