"""Logging for scripts and the command line: one format, to standard error or a rule's log file."""

import logging
import sys
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(message)s"


def log_to(path: Path | None = None) -> None:
    """Send jwmirror's messages (and warnings of others) to `path`, or to standard error."""
    handler = logging.FileHandler(path, delay=True) if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("jwmirror").setLevel(logging.INFO)
