"""Structured logs: one JSON object on each line of standard error."""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timezone

import msgspec

from braze_mixpanel.clean_text import lines

_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Formatter):
    """Format a log record and its `fields` as JSON, without stack traces, which may hold data."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON line of a log record."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        # JSON does not escape bidirectional marks and C1 control characters, so they are removed.
        return lines(_encode(line).decode())


def log_to_stderr() -> None:
    """Send all logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
