"""Play a mistake: call its command in a folder of its own, and take what it prints."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from typer.testing import CliRunner

from jwmirror.cli import app
from tests.mistakes.mistake import FOLDER, HOME, Job, Mistake, Outcome
from tests.mistakes.workflow import call_workflow

ROOT = Path(__file__).parents[2]
REMOVED = re.compile("MAST_|CRDS_|STPIPE_|JWMIRROR_|LC_|LANG|COLUMNS|XDG_")  # variables
LOG = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{6}\.jwmirror\.log")
RUN_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\d+")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
PROCESS = re.compile(r"process \d+")
SHOWN_PORT = "127.0.0.1:8080"
PORT = re.compile(r"127\.0\.0\.1:(?!9\b)\d+")


def play(mistake: Mistake) -> Outcome:
    """Return what the command of a mistake prints, with the same words on each machine."""
    with TemporaryDirectory() as temporary:
        home = Path(temporary).resolve() / "you"
        folder = home / FOLDER
        folder.mkdir(parents=True)
        with environment(home, mistake), chdir(folder):
            undo = mistake.prepare(folder)
            try:
                words = shlex.split(mistake.command)
                message, code = (
                    call_process(words) if mistake.is_real else called(words, mistake.job)
                )
            finally:
                if callable(undo):
                    undo()
    return Outcome(as_anywhere(message, home), code)


@contextmanager
def environment(home: Path, mistake: Mistake) -> Iterator[None]:
    """Set the environment of a user, without variables that change what is printed."""
    kept = {name: value for name, value in os.environ.items() if not REMOVED.match(name)}
    state = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    with patch.dict(os.environ, kept | state | dict(mistake.variables), clear=True):
        yield


def called(words: Sequence[str], job: Job | None = None) -> tuple[str, int]:
    """Return what a command prints, and its exit code."""
    if words[:2] == ["jwmirror", "run"] or words[0] == "snakemake":
        return call_workflow(words, job)
    result = CliRunner().invoke(app, words[1:], prog_name="jwmirror")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output, result.exit_code


def call_process(words: Sequence[str]) -> tuple[str, int]:
    """Return what a command prints as a process on standard error, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return done.stderr, done.returncode


def as_anywhere(message: str, home: Path) -> str:
    """Return a message without what differs between machines and calls."""
    text = message.replace(str(home), HOME).replace(socket.gethostname(), "HOST")
    text = text.replace(sys.prefix, f"{HOME}/env")
    text = LOG.sub("2026-03-01T120000.000000.jwmirror.log", text)
    text = RUN_ID.sub("20260301T120000.000000Z-4711", text)
    text = MOMENT.sub("2026-03-01T12:00:00+00:00", text)
    text = PROCESS.sub("process 4711", text)
    text = PORT.sub(SHOWN_PORT, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
