"""Certificates for tests, made by openssl: an authority's, a server's of localhost, a client's."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """Files in a folder. `other_ca` has vouched for nobody."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / f"{name}.pem"


def certificates(folder: Path) -> Certificates:
    """`ca`, `other_ca`, `server`, `server_key`, `client` and `client_key`."""
    made = Certificates(folder)
    for name in ("ca", "other_ca"):
        _openssl(["req", "-x509", *_new(made, name), "-subj", f"/CN={name}", "-days", "1"], made, name)
    for name in ("server", "client"):
        signed = ["-CA", made.ca, "-CAkey", made.ca_key, "-days", "1"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        _openssl(["req", "-x509", *_new(made, name), "-subj", f"/CN={name}", *names, *signed], made, name)
    return made


def _new(made: Certificates, name: str) -> list[str | Path]:
    return ["-newkey", "rsa:2048", "-nodes", "-keyout", made.folder / f"{name}_key.pem"]


def _openssl(arguments: list[str | Path], made: Certificates, name: str) -> None:
    binary = shutil.which("openssl")
    assert binary is not None, "openssl is missing; get it with `apt-get install openssl`"
    command = [binary, *arguments, "-out", made.folder / f"{name}.pem"]
    subprocess.run(command, check=True, capture_output=True)
