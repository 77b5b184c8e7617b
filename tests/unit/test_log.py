"""What ends a script: told in words on standard error, and with its traceback in the log."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.small_disks import PAGE, small_disk  # noqa: F401


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


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_full_disk_is_named_with_the_file_and_without_a_traceback(tmp_path, is_linked):
    """Also if a library raised its own error in place of the system's, without the number."""
    error = "OSError(28, 'No space left on device', '/m/receipt.json')"
    if is_linked:
        error = f"OSError('3 requested and 2 written') from {error}"

    done = end_with(error, tmp_path / "log")

    line = "full disk: No space left on device: '/m/receipt.json'; make room for files and inodes"
    assert (done.returncode, done.stderr) == (1, f"{line}, then run again.\n")


@pytest.mark.parametrize("free", [0, 1])
def test_a_log_that_cannot_be_written_is_named_once_and_stops_nothing(small_disk, free):
    """Neither when it cannot be made, nor when it cannot grow; `free` are inodes."""
    disk = small_disk(PAGE, 2 + free)
    (disk / "filler").write_bytes(bytes(PAGE))
    script = (
        "import logging\n"
        "from jwmirror.core.log import log_to\n"
        f"log_to({str(disk / 'job.log')!r})\n"
        "logging.warning('one'); logging.warning('two'); print('done')\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "done\n")
    why = "No space left on device; messages are lost."
    assert done.stderr == f"log {disk / 'job.log'}: {why}\n"
