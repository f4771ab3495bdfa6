"""Where a model runs: the processor, or a CUDA device."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING

from featdsl.errors import InputError

if TYPE_CHECKING:
    import torch

WAY_OUT = "`auto` takes the processor where there is none"
_NAMES = re.compile(r"cpu|auto|cuda(:\d+)?")


def check_device(asked: str) -> None:
    """Looks, without torch, whether there may be such a device. Errors: `InputError`."""
    if not _NAMES.fullmatch(asked):
        raise InputError(f"not a device: {asked}", help="it is cpu, cuda, cuda:N or auto")
    if asked.startswith("cuda"):
        problem = _driver_problem()
        if problem:
            raise InputError(f"no CUDA device is on this machine: {problem}", help=WAY_OUT)


def device_of(asked: str) -> torch.device:
    """The device that is meant. Errors: `InputError` where torch cannot use it."""
    import torch

    if asked == "cpu":
        return torch.device("cpu")
    problem = ""
    if torch.version.cuda is None:
        problem = f"torch {torch.__version__} is built without CUDA"
    elif not torch.cuda.is_available():
        problem = "torch finds none"
    if problem and asked == "auto":
        return torch.device("cpu")
    index = int(asked.partition(":")[2] or 0)
    if not problem and index >= torch.cuda.device_count():
        problem = f"there is no {asked}, they are numbered from 0 to {torch.cuda.device_count() - 1}"
    if problem:
        raise InputError(f"no CUDA device can be used: {problem}; {WAY_OUT}")
    return torch.device("cuda", index)


def _driver_problem() -> str:
    """Why NVIDIA's driver has no device, "" if it has one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "NVIDIA's driver is not installed"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return "NVIDIA's driver does not start"
    return "" if count.value else "NVIDIA's driver finds none"
