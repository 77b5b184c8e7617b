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
from typing import IO

from jwmirror.core.errors import error_line, plain_text
from jwmirror.core.jsonio import encoded
from jwmirror.core.model.history.run_summary import Notification, RunSummary
from jwmirror.core.printing import printable
from jwmirror.services.notify.summary import run_summary

LONGEST = 200  # characters of what a command says
READ = 4096  # bytes of that, from its end


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
    with tempfile.TemporaryFile() as content, tempfile.TemporaryFile() as said:
        content.write(encoded(summary))
        content.seek(0)
        problem = _run(notification, content, said, without)
        if problem:
            name = printable(notification.command[0])
            yield f"notify: {name} {problem}{_last_line(said)}; the run is not affected"


def _run(
    notification: Notification, content: IO[bytes], said: IO[bytes], without: Collection[str]
) -> str:
    """Run a command; return how it failed, or ""."""
    environment = {name: text for name, text in os.environ.items() if name not in without}
    try:
        process = subprocess.Popen(
            notification.command,
            stdin=content,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else plain_text(error)
        return f"could not be started ({why})"
    try:
        code = process.wait(notification.timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"did not end within {notification.timeout_s:g} s, and was killed"
    except BaseException:
        _kill(process)
        raise
    return f"ended with exit code {code}" if code else ""


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(said: IO[bytes]) -> str:
    """Return the last line that a command wrote to standard error, in parentheses."""
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - READ))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return f" ({printable(lines[-1])[:LONGEST]})" if lines else ""
