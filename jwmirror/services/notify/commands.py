"""The commands of a config that get the summary of a run: started, limited in time, reported on.

A command is not a shell's: its words are passed as they are. A failure is one line, and no error.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

from jwmirror.core.errors import error_line, plain_text
from jwmirror.core.jsonio import encoded
from jwmirror.core.model.history.run_summary import Notification, RunSummary
from jwmirror.core.printing import printable
from jwmirror.services.notify.summary import run_summary

LONGEST = 200  # characters of what a command says
READ = 4096  # bytes of that, from its end
BLOCK = 65_536  # bytes that are read at once
LAST_S = 1.0  # seconds in which the last line of a command that has ended is read


def notify_about_run(
    mirror: Path, run: str, notifications: Iterable[Notification], without: Collection[str]
) -> Iterator[str]:
    """Send the summary of a run to each command that wants it; yield a line for each failure.

    The commands run in the current folder, without some variables in their environment.
    """
    for notification in notifications:
        try:
            summary = run_summary(mirror, run, with_exclusive=notification.exclusive)
        except Exception as error:
            yield f"notify: {printable(error_line(error))}; nothing was sent"
            return
        if summary.outcome != "unchanged" or notification.unchanged:
            yield from send_summary(summary, notification, without)


def send_summary(
    summary: RunSummary, notification: Notification, without: Collection[str]
) -> Iterator[str]:
    """Start a command with a summary on its standard input; yield a line if it fails.

    `without` are variables that it does not get. It is killed after its time, with what it started.
    """
    try:
        with tempfile.TemporaryFile() as content:
            content.write(encoded(summary))
            content.seek(0)
            problem = _run(notification, content, without)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else plain_text(error)
        problem = f"could not be started ({why})"
    if problem:
        name = printable(notification.command[0])
        yield f"notify: {name} {problem}; the run is not affected"


def _run(notification: Notification, content: IO[bytes], without: Collection[str]) -> str:
    """Run a command; return how it failed, or "".

    Raises:
        OSError, ValueError: it cannot be started.
    """
    environment = {name: text for name, text in os.environ.items() if name not in without}
    process = subprocess.Popen(
        notification.command,
        stdin=content,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    said = _Said(process)
    try:
        code = process.wait(notification.timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        late = f"did not end within {notification.timeout_s:g} s, and was killed"
        return f"{late}{said.last_line()}"
    except BaseException:
        _kill(process)
        raise
    return f"ended with exit code {code}{said.last_line()}" if code else ""


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Said:
    """The end of what a command writes to standard error, however much that is.

    It is read while the command runs, so that no file grows. A process that the command leaves
    behind may keep standard error open: nothing waits for it.
    """

    def __init__(self, process: "subprocess.Popen[bytes]"):
        self._end = b""
        self._reader = Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while read := os.read(pipe.fileno(), BLOCK):
                self._end = (self._end + read)[-READ:]

    def last_line(self) -> str:
        """Return the last line, in parentheses; "" if there is none."""
        self._reader.join(LAST_S)
        lines = self._end.decode(errors="replace").strip().splitlines()
        return f" ({printable(lines[-1])[:LONGEST]})" if lines else ""
