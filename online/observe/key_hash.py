"""Keys as logs may show them: they may name people, so a hash stands for each, which nobody without the secret can
find the key of by trying."""

from __future__ import annotations

import hashlib
import os

_SECRET = [os.urandom(32)]
"""Of this process, until another is given."""


def use_secret(secret: bytes) -> None:
    """Takes a secret (any bytes but none), so that several processes give a key the same hash."""
    _SECRET[0] = hashlib.sha256(secret).digest()


def key_hash(key: int | str | None) -> str:
    """16 hex digits: keyed BLAKE2b of the key's text."""
    text = str(key).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8, key=_SECRET[0]).hexdigest()
