"""The packages that are installed for a Python: all versions, and whether it can recalibrate."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions
from importlib.util import find_spec
from platform import python_version

from jwmirror import __version__
from jwmirror.pipeline.allowed_environments import EnvironmentNotAllowedError, allowed_python
from jwmirror.pipeline.time_limit import TimeLimit

PROGRAM = (
    "import json, platform; from importlib.metadata import distributions; "
    "found = {each.name: each.version for each in distributions()}; "
    "print(json.dumps({**found, 'python': platform.python_version()}))"
)
TIMEOUT_S = 60.0
METADATA = (".dist-info", ".egg-info")  # end the names of folders
RECALIBRATION = ("crds", "jwst", "stcal", "stdatamodels", "stpipe")  # of the extra `recalibrate`


def can_recalibrate() -> bool:
    """Return whether the extra `recalibrate` is installed for this Python; nothing is imported."""
    return not _missing()


def why_not_recalibrating(needed_by: str, otherwise: str = "") -> str:
    """Return a sentence: what is missing, where, and the next step; "" if nothing is missing.

    `needed_by` begins it, and `otherwise` is another step, which ends it.
    """
    if not (missing := _missing()):
        return ""
    return (
        f"{needed_by} needs the packages {', '.join(missing)}, which {sys.prefix} does not have; "
        "run `make install` in a clone of jwmirror, or `pip install 'jwmirror[recalibrate]'`"
        f"{otherwise}."
    )


@cache
def _missing() -> tuple[str, ...]:
    """Return the packages that are not installed, as this process found them first."""
    return tuple(name for name in RECALIBRATION if find_spec(name) is None)


def metadata_folders() -> list[str]:
    """Return the names of the folders that describe the packages of the running Python.

    They contain name and version (numpy-2.1.0.dist-info), and change with them. To read the files
    in them takes a hundred times as long.
    """
    names: list[str] = []
    for folder in sys.path:
        with suppress(OSError):  # no folder, or one that this user may not read
            names += sorted(name for name in os.listdir(folder or ".") if name.endswith(METADATA))
    return names


def installed_versions(python: str = "") -> dict[str, str]:
    """Return name -> version of each package of a Python ("": the running one), and of itself.

    It is {} if that Python cannot be asked.
    """
    if not python:
        found = {each.name: each.version for each in distributions()}
        return {**found, "python": python_version(), "jwmirror": __version__}
    try:
        process = subprocess.Popen(
            [allowed_python(python), "-I", "-c", PROGRAM],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with TimeLimit(process, TIMEOUT_S):
            output, _ = process.communicate()
        return dict(json.loads(output))
    except (OSError, ValueError, EnvironmentNotAllowedError):
        return {}
