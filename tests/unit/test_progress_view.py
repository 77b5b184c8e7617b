"""Progress of a run on a terminal and in a log: what is drawn, what is printed, and how often."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, Group

from jwmirror.core.model.jobs.run_state import FetchState, LevelState, RunState, StageState
from jwmirror.report.terminal.live import ProgressView
from jwmirror.report.terminal.running import progress_line, running_section, stage_lines

ROOT = Path(__file__).parents[2]
BEGUN = RunState(
    run="20260301T120000.000000Z-1",
    began="2026-03-01T12:00:00+00:00",
    host="login",
    is_alive=True,
    phase="query",
)
FETCH = FetchState(
    observations=2,
    files=480,
    files_done=132,
    bytes=48_000_000_000,
    bytes_done=12_300_000_000,
    rate=85e6,
    seconds_left=420.0,
)
LEVEL = LevelState(
    level="exposures",
    exposures=40,
    exposures_done=12,
    failed=1,
    jobs=8,
    jobs_done=3,
    jobs_at_work=2,
    seconds_left=1500.0,
)
STAGE = StageState(
    host="n1",
    level="exposures",
    recipe="deep",
    product="jw01345001001_02101_00001_nrcb1",
    pipeline="detector1",
    step="ramp_fit",
    seconds=190.0,
    at="2026-03-01T12:32:00+00:00",
)
FETCHING = replace(BEGUN, phase="fetch", fetch=FETCH)
CALIBRATING = replace(BEGUN, phase="calibrate", fetch=FETCH, levels=(LEVEL,), at_work=(STAGE,) * 12)
DRAW = """
import sys
from jwmirror.report.terminal.live import ProgressView
from tests.unit.test_progress_view import BEGUN, CALIBRATING, FETCHING
with ProgressView() as view:
    view.show("begin")
    for state in (BEGUN, FETCHING, CALIBRATING):
        view.draw(state)
    view.warn("a note")
    view.draw(CALIBRATING)
print("end")
"""
RUN = """
import os, sys, time
from jwmirror.report.terminal.live import ProgressView
from jwmirror.services.start.workflow_run import run_workflow
SNAKEMAKE = '''
import os, time
from pathlib import Path
from jwmirror.core.log import send_message
from jwmirror.core.model import Orders, write
from jwmirror.core.model.run import RunMessage
from jwmirror.store.runs import RunFiles
from tests.setup.records import product
mirror = Path("mirror").absolute()
files = RunFiles(mirror / "receipts" / "runs" / "20260301T120000.000000Z-1")
write(files.orders, Orders(products={"jw01345-o001.ab": (product(size=2000),)}))
send_message(RunMessage(kind="begun", text=files.folder.name, mirror=str(mirror)))
time.sleep(60)
'''
with ProgressView() as view:
    sys.exit(run_workflow([], view.show, view.warn, (sys.executable, "-c", SNAKEMAKE), view.draw))
"""
ESCAPE = re.compile(r"\x1b\[\??([0-9;]*)([A-Za-z])")


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def terminal(
    columns: int,
    script: str = DRAW,
    folder: Path = ROOT,
    interrupt_at: bytes = b"",
    code: int = 0,
    **variables: str,
) -> str:
    """Return all that a script writes to a terminal of this width and 24 lines.

    It is interrupted when it has written `interrupt_at`.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    streams = {"stdin": follower, "stdout": follower, "stderr": follower}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment | variables, cwd=folder, **streams
    ) as process:
        os.close(follower)
        written = b""
        while block := _read(leader):
            written += block
            if interrupt_at and interrupt_at in written:
                process.send_signal(signal.SIGINT)
                interrupt_at = b""
    os.close(leader)
    assert process.returncode == code, written.decode()
    return written.decode()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # the other end is closed
        return b""


def screen(written: str) -> list[str]:
    """Return the lines that are left on a terminal, by the few controls that are used."""
    lines, row, column = [""], 0, 0
    for text in re.split(r"(\x1b\[\??[0-9;]*[A-Za-z]|[\r\n])", written):
        if text == "\n":
            row, lines = row + 1, [*lines, *[""] * (row + 2 - len(lines))]
        elif text == "\r":
            column = 0
        elif code := ESCAPE.fullmatch(text):
            if code[2] == "A":
                row -= int(code[1] or 1)
            elif code[2] == "K":
                lines[row] = ""
            else:
                assert code[2] in "hlm", text
        else:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return lines


def test_a_terminal_keeps_only_whole_lines(monkeypatch):
    """What was drawn is erased before a line is printed, and at the end."""
    written = terminal(100)

    assert "[#####...............] 26 %" in written
    assert "132 of 480 files, 12.3 GB of 48 GB, 85 MB/s, about 7 min left" in written
    assert "detector1 ramp_fit, 3 min: deep/jw01345001001_02101_00001_nrcb1 on n1" in written
    assert [line for line in screen(written) if line] == [
        "begin",
        "Fetching 480 files, 48 GB, of 2 observations",
        "Calibrating 40 exposures in 8 jobs",
        "a note",
        "end",
    ]
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") > 0  # the cursor


def test_ctrl_c_on_a_terminal_leaves_whole_lines(tmp_path):
    """The block is erased, no traceback is shown, and one sentence is the last."""
    written = terminal(100, RUN, tmp_path, interrupt_at=b"Fetching: 0 of 1 file", code=130)

    lines = [line for line in screen(written) if line]
    assert lines[0].startswith("Looking for what changed (mirror ")
    assert lines[1] == "Fetching 1 file, 2 kB, of 1 observation"
    assert lines[-1].startswith("Interrupted. Nothing is lost")
    assert "Traceback" not in written and written.endswith("\r\n")


@pytest.mark.parametrize(
    "variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"NO_COLOR": "1"}]
)
def test_a_narrow_terminal_without_letters_of_other_alphabets(variables):
    """40 columns: the sentence wraps, lines of workers are cut, and there is no colour."""
    written = terminal(40, **variables)

    assert written.isascii()
    assert not any(code[1] == "m" for code in ESCAPE.findall(written))
    pieces = re.split(r"[\r\n]+", ESCAPE.sub("\r", written))
    assert [piece for piece in pieces if len(piece) > 40] == [
        "Fetching 480 files, 48 GB, of 2 observations"  # printed, and not drawn
    ]
    assert "[#" not in written
    assert [line for line in screen(written) if line][-2:] == ["a note", "end"]


def test_a_dumb_terminal_gets_plain_lines():
    """No controls at all."""
    written = terminal(80, TERM="dumb")

    assert "\x1b" not in written and written.splitlines()[-1] == "end"


def test_a_log_has_a_line_for_each_phase_and_each_minute(capsys):
    """Whatever changes in between; without control characters."""
    clock = Clock()
    with ProgressView(clock) as view:
        for seconds in range(0, 200, 5):
            clock.now = float(seconds)
            view.draw(FETCHING)
        clock.now = 205.0
        view.draw(CALIBRATING)

    assert capsys.readouterr().out.splitlines() == [
        "Fetching 480 files, 48 GB, of 2 observations",
        *["Fetching: 132 of 480 files, 12.3 GB of 48 GB, 85 MB/s, about 7 min left"] * 3,
        "Calibrating 40 exposures in 8 jobs",
    ]


def test_a_long_run_has_lines_less_often(capsys):
    """A night is 85 lines and not 480."""
    clock = Clock()
    with ProgressView(clock) as view:
        for seconds in range(0, 8 * 3600, 10):
            clock.now = float(seconds)
            view.draw(CALIBRATING)

    assert 60 < len(capsys.readouterr().out.splitlines()) < 90


def test_a_sync_of_references_is_printed_if_it_takes_long(capsys):
    """An unchanged run only looks at them, and has six lines."""
    clock, syncing = Clock(), replace(BEGUN, phase="references", references=FETCH)
    with ProgressView(clock) as view:
        for seconds in (0, 5, 11, 12):
            clock.now = float(seconds)
            view.draw(syncing)

    assert capsys.readouterr().out == "Syncing references\n"
    assert progress_line(syncing).startswith("Syncing references: 132 of 480 files, 12.3 GB of")


def test_a_line_says_no_more_than_is_known():
    """No rate, no time left, no jobs that wait."""
    fetch = replace(FETCH, rate=None, seconds_left=None)
    level = replace(LEVEL, failed=0, jobs_at_work=5, seconds_left=None)

    assert progress_line(replace(FETCHING, fetch=fetch)).endswith("12.3 GB of 48 GB")
    assert progress_line(replace(CALIBRATING, levels=(level,))) == (
        "Calibrating exposures: 12 of 40; jobs: 3 done, 5 at work"
    )
    assert progress_line(BEGUN) == "Looking for what changed"


def test_a_worker_that_gives_no_sign_is_shown_as_such():
    """And the number of those for which there is no room."""
    silent = replace(STAGE, silent_s=150.0, step="")

    lines = stage_lines(replace(CALIBRATING, at_work=(silent, STAGE, STAGE)), most=2)

    assert lines[0] == f"no sign for 2 min: deep/{STAGE.product} on n1 (detector1)"
    assert lines[2:] == ["and 1 more"]


def test_the_section_of_status_names_the_run():
    """Where it was started and when, how far it is, and what comes then."""
    state = replace(CALIBRATING, is_alive=None, levels_to_plan=("associations-2",))
    console = Console(width=200, file=StringIO())
    console.print(Group(*running_section(state)))
    lines = console.file.getvalue().splitlines()

    assert lines[1] == (
        "A run is going on: 20260301T120000.000000Z-1 on login, since 2026-03-01 12:00 UTC"
    )
    assert "cannot be seen from this host" in lines[2]
    assert lines[3].startswith("  Calibrating exposures: 12 of 40 (1 failed); jobs: 3 done")
    assert "    and 4 more" in lines and "  Then: associations of stage 2" in lines
