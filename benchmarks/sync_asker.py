"""Asks a scoring server at a steady pace until its input closes, then prints what came of each call as JSON: when it
was answered, on the clock that all processes share, how long it took, and by which version.

    python -m benchmarks.sync_asker ADDRESS IDS ITEMS CALLS_PER_SECOND
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from typing import Any

from online.client import ScorerClient
from online.errors import CallError


def main() -> int:
    address, ids, items, pace = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    over = threading.Event()
    threading.Thread(target=_hear, args=(over,), daemon=True).start()
    chance = random.Random(1)
    answered: list[tuple[float, float, int]] = []
    failed: list[str] = []
    with ScorerClient(address) as client:
        due = time.monotonic()
        print("asks", flush=True)
        while not over.is_set():
            call: dict[str, Any] = {"user": 1, "item": [chance.randrange(ids) for _ in range(items)]}
            started = time.monotonic()
            try:
                version = client.score(call).version
                ended = time.monotonic()
                answered.append((ended, ended - started, version))
            except CallError as fault:
                failed.append(str(fault))
            due = max(due + 1 / pace, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
    print(json.dumps({"answered": answered, "failed": failed}))
    return 0


def _hear(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


if __name__ == "__main__":
    raise SystemExit(main())
