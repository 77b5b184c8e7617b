"""What a traced program let other users read, at any moment, by the calls in a trace of strace.

The trace has the mode of each file and folder that a call makes, and all calls that change a mode
or a name. So it is known after each call which files all users can read. A program that opened
files from outside would see only what exists when it looks; the trace misses nothing.
"""

import re
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

CALLS = (
    *("creat", "open", "openat", "mkdir", "mkdirat", "link", "linkat"),
    *("rename", "renameat", "renameat2", "chmod", "fchmod", "fchmodat", "fchmodat2"),
    *("unlink", "unlinkat", "rmdir"),
)
LINE = re.compile(r"(\d+) +(.*)")  # process, call
RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")  # name, arguments, result
FOLDER = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>|"([^"]*)"')  # an open folder or file, or a path
MODE = re.compile(r", (0\d+)\b")


class Call(NamedTuple):
    """A call that succeeded."""

    name: str
    paths: list[str]  # absolute
    mode: int | None


def missing_strace() -> str:
    """Why no program can be traced here; "" if one can."""
    try:
        done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True)
    except FileNotFoundError:
        return "strace is not installed"
    return "" if done.returncode == 0 else "strace may not trace processes here"


def traced(command: Sequence[str], trace: Path) -> list[str]:
    """Return the command that runs another one and writes the calls of all its processes."""
    calls = ",".join(f"?{name}" for name in CALLS)
    options = ["-f", "-y", "--seccomp-bpf", "-s", "4096", "-e", f"trace={calls}"]
    return ["strace", *options, "-o", str(trace), *command]


def exposed_files(trace: Path) -> set[str]:
    """Return the paths that a file had while all users could read it; the umask must have been 0.

    They can if its mode lets them, and the modes of all folders above let them pass. A folder that
    the program did not make counts as open.
    """
    modes: dict[str, int] = {}
    exposed: set[str] = set()
    for call in _calls(trace):
        _follow(call, modes)
        exposed.update(_exposed(call.paths[-1], modes))
    return exposed


def _follow(call: Call, modes: dict[str, int]) -> None:
    """Change the modes, by path, as a call does."""
    old, new = call.paths[0], call.paths[-1]
    if call.name in ("creat", "open", "openat"):
        modes.setdefault(new, 0o777 if call.mode is None else call.mode)
    elif call.name.startswith("mkdir"):
        modes[new] = stat.S_IFDIR | (call.mode or 0)
    elif "chmod" in call.name:
        modes[new] = stat.S_IFMT(modes.get(new, 0)) | (call.mode or 0)
    elif call.name.startswith("link"):
        modes[new] = modes.get(old, 0o777)
    elif call.name.startswith("rename"):
        for path in [path for path in modes if path == old or path.startswith(f"{old}/")]:
            modes[new + path.removeprefix(old)] = modes.pop(path)
    else:
        modes.pop(new, None)


def _exposed(changed: str, modes: dict[str, int]) -> Iterator[str]:
    """Yield the files at or below a changed path that all users can read."""
    for path, mode in modes.items():
        if path != changed and not path.startswith(f"{changed}/"):
            continue
        above = (modes.get(str(parent), 0o777) for parent in Path(path).parents)
        if not stat.S_ISDIR(mode) and mode & stat.S_IROTH and all(m & stat.S_IXOTH for m in above):
            yield path


def _calls(trace: Path) -> Iterator[Call]:
    """Yield the calls of a trace that made or changed something, or opened what may be new."""
    unfinished: dict[str, str] = {}  # by process
    for line in trace.read_text(errors="surrogateescape").splitlines():
        process, text = LINE.fullmatch(line).groups()
        if text.endswith("<unfinished ...>"):
            unfinished[process] = text.removesuffix("<unfinished ...>")
            continue
        if RESUMED.match(text):
            text = unfinished.pop(process, "") + RESUMED.sub("", text)
        match = CALL.match(text)
        if match and int(match[3]) >= 0 and (paths := _paths(match[2])):
            name, arguments, _ = match.groups()
            mode = MODE.search(arguments)
            if not name.startswith("open") or "O_CREAT" in arguments:
                yield Call(name, paths, mode and int(mode[1], 8))


def _paths(arguments: str) -> list[str]:
    """Return the paths in the arguments of a call; of fchmod that of the open file."""
    folder, paths = "/", []
    for opened, path in FOLDER.findall(arguments):
        if opened:
            folder = opened
        else:
            paths.append(str(Path(folder, path)))
    return paths or ([folder] if folder != "/" else [])
