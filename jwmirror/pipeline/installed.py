"""Versions of all packages that are installed for a Python."""

import json
import subprocess
from importlib.metadata import distributions
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
