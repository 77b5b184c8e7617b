"""Two runs on one mirror: the second is told whose it is, or waits."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from demo.site import ROOT
from jwmirror.store.lock import RUN_LOCK, lock_note, mirror_lock

PATIENCE_S = 240


@pytest.fixture
def mirror(tmp_path) -> Path:
    """A mirror yet to be, with a config beside it whose archive does not answer."""
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    config |= {
        "mirror": str(tmp_path / "mirror"),
        "archive": {"url": "http://127.0.0.1:9"},
        "references": {"url": "http://127.0.0.1:9", "cache": str(tmp_path / "cache")},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "mirror"


def start(mirror: Path, *words: str) -> subprocess.Popen:
    """A run; what it says goes to snakemake.log beside the mirror."""
    with open(mirror.with_name("snakemake.log"), "w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
             "--workflow-profile", str(ROOT / "profiles" / "demo"),
             "--configfile", str(mirror.with_name("config.yaml")), *words],
            cwd=mirror.parent, stdout=log, stderr=log,
        )  # fmt: skip


def said(mirror: Path) -> str:
    """What the last run said."""
    return mirror.with_name("snakemake.log").read_text()


def until(ready, process: subprocess.Popen, mirror: Path) -> None:
    """Wait for a condition while a process goes on."""
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline, said(mirror)
        time.sleep(0.05)


@pytest.mark.slow
def test_a_second_run_is_told_and_one_that_waits_goes_on(mirror):
    """While another has the mirror a run ends at once, or waits for it; a killed one frees it."""
    with mirror_lock(mirror, "run of another", name=RUN_LOCK):
        code = start(mirror).wait(PATIENCE_S)
        told = said(mirror)
        waiting = start(mirror, "--config", "wait=True")
        until(lambda: "Waiting: mirror" in said(mirror), waiting, mirror)
        had_by = lock_note(mirror, RUN_LOCK).purpose

    until(lambda: lock_note(mirror, RUN_LOCK), waiting, mirror)
    purpose = lock_note(mirror, RUN_LOCK).purpose
    waiting.kill()
    waiting.wait()

    assert code == 1 and "run of another (process" in told and "wait=True" in told
    assert had_by == "run of another"
    assert purpose.startswith("run 20")
    assert lock_note(mirror, RUN_LOCK) is None
