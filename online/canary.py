"""Which users get the version that is being tried."""

from __future__ import annotations

import hashlib


def is_in_share(user: str, share: float) -> bool:
    """Whether a user is among `share` of all, 0 to 1: the same ones at every server and for every version, and those of
    a smaller share are among those of a larger one."""
    place = int.from_bytes(
        hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8, person=b"canary").digest(),
        "little",
    )
    return place < share * 2.0**64
