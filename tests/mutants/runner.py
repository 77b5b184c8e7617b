"""Runs unit tests on copies of the tree in which one line is wrong."""

import importlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "build", "mirror", "__pycache__")
# Imported once, before each test process is forked: this saves seconds for each mutation.
PRELOADED = ("astropy.io.fits", "hypothesis", "numpy", "pyarrow.parquet", "yaml")
LOOK_S = 0.05  # between two looks at the running tests
CPU_S, LIMIT_S = 120, 900.0  # of the tests of one mutation: of their process, and until they end
TEST_S = 120  # of one test; with a wrong line, it may wait for a lock that is never free
LOG, SHOWN = "tests.log", 4000  # what pytest prints, in each copy; characters of it to show

KILLED, SURVIVED, TOO_LONG = "killed", "SURVIVED", "too long"


@dataclass(frozen=True)
class Mutation:
    """A wrong line: the text of a file of `jwmirror/`, changed in one place."""

    file: str  # below jwmirror/
    text: str  # of the whole file, mutated
    tests: tuple[str, ...]  # below tests/unit/, as pytest takes them
    name: str  # for people

    @property
    def paths(self) -> list[str]:
        """The tests, from the root of the tree."""
        return [f"tests/unit/{test}" for test in self.tests]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutation, in how many seconds, and the end of what pytest printed."""

    mutation: Mutation
    state: str  # KILLED, SURVIVED or TOO_LONG
    seconds: float
    log: str

    def __str__(self) -> str:
        return f"{self.state:9} {self.seconds:5.1f} s  {self.mutation.name}"


@dataclass
class _Slot:
    """A copy of the tree, and the test process that runs in it."""

    tree: Path
    pid: int = 0
    since: float = 0.0
    mutation: Mutation | None = None


def run(mutations: Iterable[Mutation], folder: Path, jobs: int) -> Iterator[Outcome]:
    """Yield the outcome of each mutation, when its tests have ended.

    At most `jobs` run at a time. A mutation whose tests do not end counts as killed.
    """
    for module in PRELOADED:
        importlib.import_module(module)
    slots = [_Slot(copy_tree(folder / f"tree-{number}")) for number in range(jobs)]
    pending = iter(mutations)
    exhausted = False
    while True:
        for slot in slots:
            if slot.mutation is None and not exhausted:
                slot.mutation = next(pending, None)
                exhausted = slot.mutation is None
                if slot.mutation is not None:
                    _start(slot, slot.mutation)
        running = [slot for slot in slots if slot.mutation is not None]
        if not running:
            return
        for slot in running:
            if slot.mutation and (state := _state(slot)):
                log = (slot.tree / LOG).read_text(errors="replace")[-SHOWN:]
                yield Outcome(slot.mutation, state, time.monotonic() - slot.since, log)
                _restore(slot, slot.mutation)
                slot.mutation = None
        time.sleep(LOOK_S)


def without_mutation(file: str, tests: Sequence[str]) -> Mutation:
    """Return the file as it is: its tests must pass, or nothing that they kill means anything."""
    text = (ROOT / "jwmirror" / file).read_text()
    return Mutation(file, text, tuple(tests), f"{file} without a mutation")


def copy_tree(copy: Path) -> Path:
    """Copy the tree, unless the copy exists; return the copy."""
    if not copy.exists():
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
    return copy


def _start(slot: _Slot, mutation: Mutation) -> None:
    _write(slot.tree / "jwmirror" / mutation.file, mutation.text)
    sys.stdout.flush()
    slot.since = time.monotonic()
    slot.pid = os.fork()
    if slot.pid == 0:
        os.setsid()
        _run_tests(slot.tree, mutation.paths)


def _run_tests(tree: Path, paths: Sequence[str]) -> None:
    """Run pytest in this forked process, with the copy's modules; never return."""
    code = 1
    try:
        with open(tree / LOG, "w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.chdir(tree)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        os.environ["PYTHONPATH"] = str(tree)
        sys.path[:] = [str(tree), *(path for path in sys.path if Path(path or ".") != ROOT)]
        for name in list(sys.modules):
            if name.partition(".")[0] in ("jwmirror", "tests"):
                del sys.modules[name]
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--timeout={TEST_S}"]
        code = int(pytest.main([*options, f"--basetemp={tree}.tmp", *paths]))
    finally:
        os._exit(code)


def _state(slot: _Slot) -> str:
    """Return how the tests of a slot ended; empty while they run."""
    pid, status = os.waitpid(slot.pid, os.WNOHANG)
    if pid:
        _kill(slot.pid)  # what the tests left running
        return SURVIVED if os.waitstatus_to_exitcode(status) == 0 else KILLED
    if time.monotonic() - slot.since > LIMIT_S:
        _kill(slot.pid)
        os.waitpid(slot.pid, 0)
        return TOO_LONG
    return ""


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _restore(slot: _Slot, mutation: Mutation) -> None:
    _write(slot.tree / "jwmirror" / mutation.file, (ROOT / "jwmirror" / mutation.file).read_text())
    shutil.rmtree(f"{slot.tree}.tmp", ignore_errors=True)


_written = 1_000_000_000  # s; a time for each written file, as Python's bytecode is known by it


def _write(path: Path, text: str) -> None:
    global _written
    _written += 1
    path.write_text(text)
    os.utime(path, (_written, _written))
