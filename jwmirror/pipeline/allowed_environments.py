"""Python environments that a config names: none runs before the user has allowed its folder.

A config may be from another person, and `bin/python` of a folder that it names is a program. What
the user has allowed is recorded in the user's own folder, outside the config and the mirror.
"""

import hashlib
import logging
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.errors import CalibrationError, StoreError
from jwmirror.core.files import as_store_error, cached_digest, read_bytes
from jwmirror.core.jsonio import read, write

ALLOWED = "JWMIRROR_ALLOW_ENVIRONMENTS"  # variable: folders, separated as in PATH
STEP = "`jwmirror check --allow-environments`"
OWN = 0o600, 0o700  # modes of the record and of its folder

log = logging.getLogger(__name__)


class EnvironmentNotAllowedError(CalibrationError):
    """A Python environment was not run, because the user has not allowed it."""

    def __init__(self, folder: Path):
        super().__init__(
            f"{folder}: you have not allowed this environment, or its Python has changed since; it "
            f"was not run; if you trust what is in this folder, {STEP} allows it."
        )


@dataclass(frozen=True, kw_only=True)
class EnvironmentIdentity:
    """The owner of an environment's folder, and its Python; other packages in it may change."""

    owner: int  # user id
    python: str  # the interpreter, all links followed
    sha256: str  # of the interpreter
    settings: str  # sha256 of pyvenv.cfg, which names the standard library; "" without one


def is_allowed(python: str) -> bool:
    """Return whether a Python may be run: that of this process, or of an allowed environment."""
    return python in ("", sys.executable) or _is_folder_allowed(_folder(python))


def _is_folder_allowed(folder: Path) -> bool:
    if str(folder) in (str(Path(sys.prefix).resolve()), *_named_by_caller()):
        return True
    try:
        return _recorded().get(str(folder)) == _identity(folder)
    except OSError:
        return False


def allowed_python(python: str) -> str:
    """Return a Python that may be run, in its folder with all links followed.

    A link in the config's path can lead elsewhere at the next moment, so that path is not run.
    Raises EnvironmentNotAllowedError.
    """
    if python in ("", sys.executable):
        return python
    folder = _folder(python)
    if not _is_folder_allowed(folder):
        raise EnvironmentNotAllowedError(folder)
    return str(folder / "bin" / "python")


def allow_environments(pythons: Iterable[str]) -> tuple[Path, ...]:
    """Record that the environments of some Pythons may be run; return those that were not yet.

    Raises:
        StoreError: they cannot be read, or the record cannot be written.
    """
    path = _record()
    folders = {_folder(python) for python in pythons if not is_allowed(python)}
    with as_store_error(f"{path}: allowing environments", "none was allowed"):
        new = {str(folder): _identity(folder) for folder in folders}
        path.parent.mkdir(mode=OWN[1], parents=True, exist_ok=True)
        write(path, _recorded() | new, mode=OWN[0])
    return tuple(sorted(folders))


def _folder(python: str) -> Path:
    """Return the folder of an environment, all links followed, by its Python."""
    return Path(python).parent.parent.resolve()


def _named_by_caller() -> tuple[str, ...]:
    """Return the folders that the caller's environment variable allows."""
    names = filter(None, os.environ.get(ALLOWED, "").split(os.pathsep))
    return tuple(str(Path(name).expanduser().resolve()) for name in names)


def _identity(folder: Path) -> EnvironmentIdentity:
    python, settings = (folder / "bin" / "python").resolve(), folder / "pyvenv.cfg"
    return EnvironmentIdentity(
        owner=folder.stat().st_uid,
        python=str(python),
        sha256=cached_digest(python),
        settings=hashlib.sha256(read_bytes(settings)).hexdigest() if settings.exists() else "",
    )


def _recorded() -> dict[str, EnvironmentIdentity]:
    """Return what is recorded by folder; nothing if another user could have written it."""
    path = _record()
    try:
        statuses = (path.stat(), path.parent.stat())
    except OSError:
        return {}
    others = stat.S_IWGRP | stat.S_IWOTH
    if any(each.st_uid != os.geteuid() or each.st_mode & others for each in statuses):
        return {}
    try:
        return read(path, dict[str, EnvironmentIdentity])
    except StoreError as err:
        log.warning("%s; no environment counts as allowed", err)
        return {}


def _record() -> Path:
    """Return the file of what the user has allowed (XDG Base Directory Specification: state)."""
    folder = Path(os.environ.get("XDG_STATE_HOME", ""))
    state = folder if folder.is_absolute() else Path.home() / ".local" / "state"
    return state / "jwmirror" / "environments.json"
