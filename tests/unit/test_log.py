"""What ends a script: told in words on standard error, and with its traceback in the log."""

import subprocess
import sys
from pathlib import Path

import pytest


def end_with(error: str, log: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that logs to `log`, and raises."""
    script = (
        "from jwmirror.core.errors import StoreError\n"
        "from jwmirror.core.log import log_to\n"
        f"log_to({str(log)!r})\n"
        f"raise {error}\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_an_error_of_our_own_is_told_by_its_words_alone(tmp_path):
    """The traceback, which says nothing to who runs it, is in the log."""
    done = end_with("StoreError('the disk is full; make room')", tmp_path / "log")

    assert (done.returncode, done.stderr) == (1, "the disk is full; make room\n")
    assert "Traceback" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("error", ["KeyError('x')", "KeyboardInterrupt()"])
def test_any_other_error_is_told_whole(tmp_path, error):
    """It is a fault of the program, and its traceback is what helps."""
    done = end_with(error, tmp_path / "log")

    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "Traceback" in (tmp_path / "log").read_text()


def test_an_end_on_purpose_is_no_error(tmp_path):
    """The words of sys.exit are told as ever, and not logged."""
    done = end_with("SystemExit('2 failed')", tmp_path / "log")

    assert (done.returncode, done.stderr) == (1, "2 failed\n")
    assert not (tmp_path / "log").exists()
