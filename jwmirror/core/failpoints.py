"""Failpoints: named places where a test can stop the process, or let the disk refuse.

Each step that changes the disk passes one: `failpoint("publish: manifest written")`. Armed through
the environment, JWMIRROR_FAILPOINT="<name>=<action>", it acts the first time it is passed:

- `exit`: the process ends at once, as with kill -9: no handlers, nothing flushed
- `ENOSPC`, `EIO`, `EROFS`, `EDQUOT`: the OSError of that name is raised
- `tear`: the last half of the file at `path` is cut off, as by a write that did not get through;
  then the process ends

In any other run it does nothing.
"""

import errno
import os
from pathlib import Path

VARIABLE = "JWMIRROR_FAILPOINT"
EXIT = 86  # the exit code of a process that a failpoint ended


def failpoint(name: str, path: Path | None = None) -> None:
    """Do what is armed for this point, if anything; `path` is the file just written, if any."""
    armed = os.environ.get(VARIABLE)
    if armed is None:
        return
    wanted, _, action = armed.rpartition("=")
    if wanted != name:
        return
    del os.environ[VARIABLE]
    if action == "tear" and path is not None:
        os.truncate(path, path.stat().st_size // 2)
    if action in ("exit", "tear"):
        os._exit(EXIT)
    code = getattr(errno, action)
    raise OSError(code, os.strerror(code), str(path) if path else name)
