"""A job of a run as a scheduler gets it, without a scheduler."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.site import Site

QSUB = """#!/bin/sh
# qsub OPTIONS SCRIPT: the job waits for ever
for script; do :; done
env -0 > {folder}/environment
cp "$script" {folder}/job.new
mv {folder}/job.new {folder}/job.sh
echo 1
"""
QSTAT = """#!/bin/sh
echo "job_state = Q"
"""
PATIENCE_S = 300


@contextmanager
def job_of_scheduler(
    site: Site, environment: Mapping[str, str]
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Start a run, and yield command and environment of its first job that goes to a scheduler."""
    folder = site.folder / "pbs"
    folder.mkdir()
    for name, text in (("qsub", QSUB), ("qstat", QSTAT)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    log, job = folder / "snakemake.log", folder / "job.sh"
    paths = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    run = site.start(log=log, profile="profiles/cluster-generic", environment=environment | paths)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not job.exists():
            assert run.poll() is None and time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.1)
        words = Path(folder, "environment").read_bytes().decode().split("\0")
        yield ["sh", str(job)], dict(word.split("=", 1) for word in words if word)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
