"""Failpoints: named places where a test can end the process, or simulate a disk error.

Each step that changes the disk passes one: `failpoint("publish: manifest written")`. The variable
JWMIRROR_FAILPOINT="<name>=<action>" sets the action for the first time that one is passed:

- `exit`: the process ends at once, as with kill -9: no handlers run, nothing is flushed
- `ENOSPC`, `EIO`, `EROFS`, `EDQUOT`: the OSError of that name is raised
- `tear`: the last half of the file at `path` is cut off, as by an incomplete write; then the
  process ends

Without the variable, nothing happens.
"""

import errno
import os
from pathlib import Path

VARIABLE = "JWMIRROR_FAILPOINT"
EXIT = 86  # the exit code of a process that a failpoint ended


def failpoint(name: str, path: Path | None = None) -> None:
    """Take the action set for this point, if any; `path` is the file just written, if any."""
    setting = os.environ.get(VARIABLE)
    if setting is None:
        return
    point, _, action = setting.rpartition("=")
    if point != name:
        return
    del os.environ[VARIABLE]
    if action == "tear" and path is not None:
        os.truncate(path, path.stat().st_size // 2)
    if action in ("exit", "tear"):
        os._exit(EXIT)
    code = getattr(errno, action)
    raise OSError(code, os.strerror(code), str(path) if path else name)
