"""How a model server that is not ours is spoken with over TLS, as the options of its URL say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from featdsl.errors import InputError

OPTIONS = ("tls", "ca", "cert", "key", "name")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files as they were read. `ca`: whose certificates are trusted, None for those that the machine trusts;
    `certificate` and `key`: with which we show who we are, None if we do not; `name`: whom the server's certificate is
    to be of, "" for its host."""

    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    name: str = ""


def tls_of(options: Mapping[str, str], url: str) -> Tls | None:
    """None where no option asks for it. Errors: `InputError`."""
    if options.get("tls", "on") != "on":
        raise InputError(f"not a value of the option tls: `{options['tls']}` in {url}", help="tls=on")
    if not any(name in options for name in OPTIONS):
        return None
    if ("cert" in options) is not ("key" in options):
        raise InputError(
            f"a certificate of our own needs its key, and a key its certificate: {url}",
            help="cert=client.pem&key=client.key",
        )
    ca, certificate, key = (_read(name, options.get(name)) for name in ("ca", "cert", "key"))
    return Tls(ca, certificate, key, options.get("name", ""))


def _read(option: str, path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = Path(path).read_bytes()
    except OSError as fault:
        raise InputError(
            f"the file of the option {option} does not read: {path} ({fault.strerror})"
        ) from fault
    if b"-----BEGIN" not in data:
        raise InputError(f"the file of the option {option} is not PEM: {path}")
    return data
