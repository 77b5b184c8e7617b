"""Programs in a network namespace without routes, as on a node of a cluster without network."""

import os
import subprocess
from pathlib import Path

START = """
import ctypes, os, sys
from pathlib import Path

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # of unshare(2)
if sys.orig_argv[-1].endswith({script!r}):
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_USER | NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{{user}} {{user}} 1")
    Path("/proc/self/gid_map").write_text(f"{{group}} {{group}} 1")
    Path({folder!r}, f"routes.{{os.getpid()}}").write_text(Path("/proc/net/route").read_text())
"""


def missing() -> str:
    """Return why this user cannot make a network namespace; empty if it can."""
    try:
        made = subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True)
    except FileNotFoundError:
        return "unshare of util-linux is not installed"
    return "network namespaces are not permitted" if made.returncode else ""


def without_network(folder: Path, script: str) -> dict[str, str]:
    """Return variables with which each Python process of a script has no network.

    Neither have the processes that it starts. `folder` gets the routes of each (`routes_in`).
    """
    folder.mkdir()
    start = START.format(script=script, folder=str(folder))
    (folder / "sitecustomize.py").write_text(start)  # which Python imports when it starts
    paths = (str(folder), os.environ.get("PYTHONPATH", ""))
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def routes_in(folder: Path) -> list[list[str]]:
    """Return the routes of each process that had no network."""
    return [path.read_text().splitlines()[1:] for path in folder.glob("routes.*")]
