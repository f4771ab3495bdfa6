"""Starts the Triton that the package `nvidia-pytriton` carries, with its Python backend, without a GPU.

.venv-triton/bin/python examples/triton/triton_server.py --repository models --port 8001

Models are loaded when they are told to be (explicit control), over gRPC, or all that appear (`--poll-s`). The process
becomes Triton itself: end it by its process id.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))
TRITON = PACKAGES / "pytriton" / "tritonserver"
SHARED = "featdsl-triton"
"""How the backend's shared memory is called, with the port: what a `kill -9` leaves in /dev/shm."""


def backends() -> Path:
    """The Python backend, with the stub of this Python's version beside it, where Triton looks for it."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder, name = TRITON / "backends", "triton_python_backend_stub"
    if not (folder / "python" / name).exists():
        aside = folder / "python" / f".{name}.{os.getpid()}"
        shutil.copy(TRITON / "python_backend_stubs" / version / name, aside)
        aside.rename(folder / "python" / name)
    return folder


def environment() -> dict[str, str]:
    """Where Triton finds its libraries and libpython, and its models this environment's packages."""
    libraries = [str(PACKAGES / "nvidia_pytriton.libs"), str(sysconfig.get_config_var("LIBDIR"))]
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    before = [os.environ["LD_LIBRARY_PATH"]] if os.environ.get("LD_LIBRARY_PATH") else []
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join([*libraries, *before]),
        "PATH": os.pathsep.join(path),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Triton on this machine's CPU.")
    parser.add_argument("--repository", type=Path, required=True, help="folder of models")
    parser.add_argument("--port", type=int, default=8001, help="for gRPC")
    parser.add_argument("--load", action="append", default=[], metavar="NAME", help="a model to load at once")
    parser.add_argument(
        "--poll-s",
        type=int,
        metavar="S",
        help="look at the repository every S seconds, and load what is there",
    )
    parser.add_argument(
        "--tls", nargs=3, metavar=("KEY", "CERT", "CA"), help="of clients, CA has to vouch for"
    )
    args = parser.parse_args()
    key, certificate, ca = args.tls or ("", "", "")
    secure = ["--grpc-use-ssl=true", "--grpc-use-ssl-mutual=true"]
    secure += [f"--grpc-server-key={key}", f"--grpc-server-cert={certificate}", f"--grpc-root-cert={ca}"]
    control = ["--model-control-mode=explicit", *(f"--load-model={name}" for name in args.load)]
    if args.poll_s is not None:
        control = [
            "--model-control-mode=poll",
            f"--repository-poll-secs={args.poll_s}",
            "--exit-on-error=false",
        ]
    command = [
        str(TRITON / "bin" / "tritonserver"),
        f"--model-repository={args.repository.absolute()}",
        f"--backend-directory={backends()}",
        f"--cache-directory={TRITON / 'caches'}",
        f"--backend-config=python,shm-region-prefix-name={SHARED}-{args.port}-",
        *control,
        "--grpc-address=127.0.0.1",
        f"--grpc-port={args.port}",
        "--allow-http=false",
        "--allow-metrics=false",
        "--disable-auto-complete-config",
        "--exit-timeout-secs=5",
        *(secure if args.tls else []),
    ]
    os.execve(command[0], command, environment())


if __name__ == "__main__":
    main()
