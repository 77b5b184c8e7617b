"""The token on its way from the main process of a run to the jobs that ask the archive.

It is passed through a Unix socket in a private folder: jobs inherit the environment and have their
parameters in files, and neither may contain it.
"""

import atexit
import contextlib
import shutil
import socket
import threading
from pathlib import Path
from tempfile import mkdtemp

from jwmirror.core.errors import ArchiveError, ConfigError

WAITING = 64  # jobs that may ask at the same time


def serve_token(token: str | None) -> str | None:
    """Answer each connection with the token until this process ends; return the socket's path."""
    if token is None:
        return None
    folder = mkdtemp(prefix="jwmirror-")  # mode 0700, so only this user can connect
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = str(Path(folder, "token"))
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(path)
    except OSError as err:
        raise ConfigError(
            [f"cannot open the socket {path} ({err}); set TMPDIR to a local folder, /tmp for one"]
        ) from err
    server.listen(WAITING)
    threading.Thread(target=_answer, args=(server, token.encode()), daemon=True).start()
    return path


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
            "was requested from the archive; run snakemake again."
        ) from err
    return token.decode()


def _answer(server: socket.socket, token: bytes) -> None:
    while True:
        with contextlib.suppress(OSError), server.accept()[0] as connection:
            connection.sendall(token)
