"""The token on its way from the main process of a run to the jobs that ask the archive.

It is passed through a Unix socket in a private folder: jobs inherit the environment and have their
parameters in files, and neither may contain it.
"""

import atexit
import os
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

from jwmirror.core.errors import ArchiveError, ConfigError, command_to_run

WAITING = 64  # jobs that may ask at the same time
PAUSE_S = 0.1  # after an error
LONGEST_FOLDER = 70  # bytes of its name: a socket's path has at most 107 on Linux, 103 on macOS


def serve_token(token: str | None) -> str | None:
    """Answer each connection with the token until this process ends; return the socket's path."""
    if token is None:
        return None
    folder = _private_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = str(Path(folder, "token"))
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(path)
    except OSError as err:
        raise ConfigError(
            [f"cannot open the socket {path} ({err}); set TMPDIR to a local folder"]
        ) from err
    server.listen(WAITING)
    threading.Thread(target=_answer, args=(server, token.encode()), daemon=True).start()
    return path


def _private_folder() -> str:
    """Make a folder that only this user can enter: in TMPDIR or, if its name is long, in /tmp."""
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        folder = "/tmp"  # noqa: S108  # mkdtemp makes a new name that others cannot use
    return tempfile.mkdtemp(prefix="jwmirror-", dir=folder)


def request_token(path: str | None) -> str | None:
    """Return the token that the main process of this run serves on the socket at `path`.

    Raises:
        ArchiveError: that process does not answer.
    """
    if path is None:
        return None
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            token = client.makefile("rb").read()
            if not token:
                raise ConnectionResetError("no answer")
    except OSError as err:
        raise ArchiveError(
            f"the main process of this run does not pass the token on at {path} ({err}); nothing "
            f"was requested from the archive; run {command_to_run()} again."
        ) from err
    return token.decode()


def _answer(server: socket.socket, token: bytes) -> None:
    while True:
        try:
            with server.accept()[0] as connection:
                connection.sendall(token)
        except OSError:  # also if this process has too many files open
            time.sleep(PAUSE_S)
