"""Logging for scripts and the command line: one format, to standard error or a rule's log file."""

import logging
import sys
from pathlib import Path
from types import TracebackType

from jwmirror.core.errors import JwmirrorError
from jwmirror.core.printing import LINES, PrintableStream, printable

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class PrintableFormatter(logging.Formatter):
    """Formats a record without non-printing characters; further lines of a message are indented."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record: none of its lines can be taken for another record."""
        return printable(super().format(record), LINES).replace("\n", "\n  ")


def log_to(path: Path | None = None) -> None:
    """Send jwmirror's messages (and warnings of others) to `path`, or to standard error.

    With a `path`, an error that ends the process is logged there with its traceback. On standard
    error, an error of jwmirror appears as its message only. What the process prints from now on
    has no non-printing characters.
    """
    sys.stdout, sys.stderr = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
    handler = logging.FileHandler(path, delay=True) if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("jwmirror").setLevel(logging.INFO)
    if path:
        sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an uncaught error."""
    logging.getLogger(__name__).error("%s", error, exc_info=(kind, error, trace))
    if isinstance(error, JwmirrorError):
        print(error, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
