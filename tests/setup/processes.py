"""The processes of a run, as the system shows them to their user."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PAUSE_S = 0.05  # between two looks


def watch_children(run: subprocess.Popen, mark: str) -> list[tuple[bytes, bytes]]:
    """Wait for the end of a process; return command line and environment of all it started.

    They are known by `mark` in their environment: it also finds those that leave its group.
    """
    children: dict[int, tuple[bytes, bytes]] = {}
    while run.poll() is None:
        children |= dict(_marked(mark.encode(), run.pid))
        time.sleep(PAUSE_S)
    return list(children.values())


def _marked(mark: bytes, parent: int) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Yield the present children; one that was only just forked looks like the parent."""
    own = Path(f"/proc/{parent}/cmdline").read_bytes()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:
            continue  # it has ended, or is another user's
        if mark in environment and command != own and int(folder.name) != parent:
            yield int(folder.name), (command, environment)
