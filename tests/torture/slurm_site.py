"""A site beside a real Slurm, whose recipe writes down what it computes, waits, and fails."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from demo.site import Site
from jwmirror.core.model.jobs.attempts import Attempt
from tests.reliability.cluster import Outcome
from tests.setup.configs import THREE_EXPOSURES
from tests.setup.mirrors import wrong_objects
from tests.workflow.cluster import OPTIONS, Cluster

EXPOSURES = LARGE, CANCELLED, SLOW = [f"jw01345002001_02101_0000{n}_nrca1" for n in (1, 2, 3)]
HOOK = """
import os, signal, time
from pathlib import Path

import numpy as np

def take(model):
    name = model.meta.filename.partition("_uncal")[0]
    with open({log!r}, "a+") as log:
        log.write(name + " " + os.environ["SLURM_JOB_ID"] + "\\n")
        log.flush()
        log.seek(0)
        calls = log.read().count(name)
    exceed(calls, {killed!r}.get(name, 0))
    deadline = time.monotonic() + 900
    while name in {waiting!r} and calls == 1 and not Path({gate!r}).exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)

def exceed(calls, kills):
    '''Use all memory of the job, in the first calls; later half of it, which is there.'''
    if not {is_limited!r}:
        if calls <= kills:
            os.kill(os.getpid(), signal.SIGKILL)
    elif kills:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        (own,) = (line.rpartition(":")[2] for line in lines if ":memory:" in line)
        stat = Path("/sys/fs/cgroup/memory" + own, "memory.stat").read_text()
        limit = int(stat.partition("hierarchical_memory_limit ")[2].split()[0])
        np.ones(limit if calls <= kills else limit // 2, np.uint8)
"""
ONE_CPU = ("--set-threads", "calibrate_batch=1")  # two jobs on each node
RECIPE = {
    "stages": [1, 2],
    "parameters": {"detector1": {"jump": {"pre_hooks": ["end_hook.take"]}}},
}
PATIENCE_S = 1500


class SlurmSite(Site):
    """A site that runs on a cluster; its recipe has a hook, which names each exposure's job."""

    def __init__(self, site: Site, cluster: Cluster):
        super().__init__(site.folder, site.observatory)
        self.cluster = cluster
        self.calls, self.gate = self.folder / "calls", self.folder / "gate"
        self.log = self.folder / "snakemake.log"

    def observe(self, **changes: Any) -> None:
        """Mirror three exposures and calibrate each in a job of its own, with the hook."""
        usual = {
            "programs": THREE_EXPOSURES,
            "settle": {"accept": [1345]},
            "recipes": {"deep": RECIPE},
        }
        self.configure(**usual | {"calibrate": {"batch": 1}} | changes)
        self.hook()

    def hook(self, killed: Mapping[str, int] | None = None, waiting: Sequence[str] = ()) -> None:
        """Say how often exposures are killed, and which wait for the gate at their first call."""
        text = HOOK.format(
            log=str(self.calls),
            gate=str(self.gate),
            killed=killed or {},
            waiting=waiting,
            is_limited=self.cluster.limits_memory,
        )
        (self.folder / "end_hook.py").write_text(text)

    def start(self, *words: str, **options: Any) -> subprocess.Popen:
        """Start a run on the cluster."""
        paths = (str(self.folder), os.environ.get("PYTHONPATH", ""))
        variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        variables |= self.cluster.environment() | (options.pop("environment", None) or {})
        options = {"log": self.log, "profile": "profiles/slurm"} | options
        return super().start(*OPTIONS, *words, environment=variables, **options)

    def jobs(self, exposure: str) -> list[str]:
        """The jobs that have computed an exposure, by call."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [job for name, job in map(str.split, lines) if name == exposure]

    def kill_at_work(self, *words: str) -> None:
        """Start a run, and kill it (kill -9) when two jobs compute."""
        run = self.start(*words)
        self.wait_for(run, lambda: sum(len(self.jobs(name)) for name in EXPOSURES) == 2)
        for process in psutil.Process(run.pid).children(recursive=True):
            process.kill()
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()

    def wait_for(self, run: subprocess.Popen, ready: Callable[[], object]) -> None:
        """Return as soon as `ready()`; fail if the run ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            assert run.poll() is None and time.monotonic() < deadline, self.said()[-6000:]
            time.sleep(0.5)

    def finish(self, run: subprocess.Popen, expect: int = 0) -> None:
        """Wait for the end of a run; fail if its exit code is another one."""
        assert run.wait(PATIENCE_S) == expect, self.said()[-6000:]

    def said(self) -> str:
        """What the run has printed."""
        return self.log.read_text()

    def attempts(self) -> list[tuple[Attempt, ...]]:
        """The attempts of the newest run, by job."""
        return [receipt.attempts for receipt in self.run().batch_receipts]

    def ends(self) -> Counter[tuple[str, ...]]:
        """The causes of their ends."""
        return Counter(tuple(each.end for each in attempts) for attempts in self.attempts())

    def outcome(self, local: dict[str, str], message: str = "") -> Outcome:
        """What came of the newest run, beside the science of a local one."""
        results = recalibrated(self)
        left = slurm("squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%i").split()
        return Outcome(
            ends=self.ends(),
            jobs=len(self.cluster.sacct()),
            repeated=sum(max(0, len(self.jobs(name)) - 1) for name in EXPOSURES),
            results=len(results),
            as_local=len(results.items() & local.items()),
            wrong=len(wrong_objects(self.mirror)) + len(left),
            message=message,
        )


def recalibrated(site: Site) -> dict[str, str]:
    """The science identity, or sha256 where there is none, of each published result by path."""
    if not (site.mirror / "current").exists():
        return {}
    rows = site.entries().items()
    return {path: row.identity or row.sha256 for path, row in rows if row.origin != "upstream"}


def slurm(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
