"""Logging for scripts and the command line: one format, to standard error or a rule's log file.

What the user of `jwmirror run` has to see is also sent to that process, by a file.
"""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from jwmirror.core.errors import JwmirrorError, disk_error, error_line, plain_text
from jwmirror.core.jsonio import encoded, parse
from jwmirror.core.model.run import RunMessage
from jwmirror.core.printing import LINES, PrintableStream, printable

MESSAGES = "JWMIRROR_MESSAGES"  # environment variable: the file for messages to `jwmirror run`
FORMAT = "%(asctime)s %(levelname)s %(message)s"


class PrintableFormatter(logging.Formatter):
    """Formats a record without non-printing characters; further lines of a message are indented."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record: none of its lines can be taken for another record."""
        return printable(super().format(record), LINES).replace("\n", "\n  ")


class LogFile(logging.FileHandler):
    """A log file, made with its first message. If the disk refuses one, standard error says so."""

    def __init__(self, path: Path):
        super().__init__(path, delay=True)
        self._is_refused = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message; also an error of the file's creation is handled."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - name of logging
        """Print once which file cannot be written, and why; the job continues without it."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_refused:
            self._is_refused = True
            with suppress(OSError):
                why = error.strerror or plain_text(error)
                print(f"log {self.baseFilename}: {why}; messages are lost.", file=sys.stderr)


def log_to(path: Path | None = None) -> None:
    """Send jwmirror's messages (and warnings of others) to `path`, or to standard error.

    With a `path`, an error that ends the process is logged there with its traceback. On standard
    error, an error of jwmirror appears as its message only. What the process prints from now on
    has no non-printing characters.
    """
    sys.stdout, sys.stderr = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
    handler = LogFile(path) if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("jwmirror").setLevel(logging.INFO)
    if path:
        sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an uncaught error: one of jwmirror or of the disk by its text only."""
    logging.getLogger(__name__).error("%s", error, exc_info=(kind, error, trace))
    if isinstance(error, JwmirrorError) or disk_error(error):
        print(error_line(error), file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def send_message(message: RunMessage) -> None:
    """Send a message to the `jwmirror run` that has started this process; nothing without one.

    Jobs on other machines do not find its file, and send nothing.
    """
    if path := os.environ.get(MESSAGES):
        with suppress(OSError), open(os.open(path, os.O_WRONLY | os.O_APPEND), "ab") as file:
            file.write(bytes(encoded(message)))


def print_note(text: str) -> None:
    """Print a remark for people on standard error, and send it to `jwmirror run`."""
    text = printable(text, LINES)
    send_message(RunMessage(kind="note", text=text))
    print(text, file=sys.stderr, flush=True)


def read_messages(path: Path) -> list[RunMessage]:
    """Return the messages in a file, without one that is being written."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [parse(line, RunMessage) for line in lines]
