"""Versions of all packages that are installed for a Python."""

import json
import subprocess
from importlib.metadata import distributions
from platform import python_version

from jwmirror import __version__

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
    command = [python, "-I", "-c", PROGRAM]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S)
        return dict(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
