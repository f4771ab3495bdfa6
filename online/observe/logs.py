"""The server's log: lines for people, or a JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

FORMATS = ("text", "json")


class JsonLines(logging.Formatter):
    """time (ISO 8601, UTC), level, process (if it was named), logger, message; the exception, if any; and what
    `fields(…)` added."""

    def __init__(self, who: str = "") -> None:
        super().__init__()
        self._who = {"process": who} if who else {}

    def format(self, record: logging.LogRecord) -> str:
        data = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            **self._who,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            data["exception"] = self.formatException(record.exc_info)
        return json.dumps(data, ensure_ascii=False, default=str)


def fields(**values: object) -> dict[str, dict[str, object]]:
    """For `extra=` of a log call: what JSON lines have beside the message."""
    return {"fields": values}


def log_to_stderr(format: str, who: str = "") -> None:
    """`format`: one of FORMATS. `who` tells processes apart that share a log."""
    handler = logging.StreamHandler(sys.stderr)
    if format == "json":
        handler.setFormatter(JsonLines(who))
    else:
        handler.setFormatter(
            logging.Formatter(f"%(asctime)s %(levelname)s{' ' if who else ''}{who} %(name)s %(message)s")
        )
    logging.basicConfig(level=logging.INFO, handlers=[handler])
