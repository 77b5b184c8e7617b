"""Failpoints act once, where they are armed, and nowhere else."""

import errno
import os
import subprocess
import sys

import pytest

from jwmirror.core.failpoints import EXIT, VARIABLE, failpoint


def test_nothing_happens_unless_armed(monkeypatch, tmp_path):
    """A run without the variable, or armed for another point, passes."""
    failpoint("publish: named")
    monkeypatch.setenv(VARIABLE, "prune: unlinked=exit")

    failpoint("publish: named")

    assert VARIABLE in os.environ


def test_the_disk_refuses_once(monkeypatch, tmp_path):
    """The armed error is raised the first time only."""
    monkeypatch.setenv(VARIABLE, "publish: named=ENOSPC")

    with pytest.raises(OSError, match="No space") as caught:
        failpoint("publish: named", tmp_path / "file")
    failpoint("publish: named")

    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize(("action", "left"), [("exit", b"abcd"), ("tear", b"ab")])
def test_the_process_ends_at_once(tmp_path, action, left):
    """Nothing after the point runs; a torn write leaves half of the file."""
    file = tmp_path / "file"
    file.write_bytes(b"abcd")
    code = (
        "import pathlib, sys; from jwmirror.core.failpoints import failpoint\n"
        "failpoint('written', pathlib.Path(sys.argv[1])); pathlib.Path(sys.argv[1]).unlink()"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env=os.environ | {VARIABLE: f"written={action}"},
        check=False,
    )

    assert ran.returncode == EXIT
    assert file.read_bytes() == left
