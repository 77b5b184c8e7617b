"""What sites are like, on a real Slurm: nodes without network, several users, a full scratch."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from demo.__main__ import play_step
from demo.acts import ACTS
from demo.site import ROOT, Site
from jwmirror.report.failures import FailureList
from tests.conftest import need
from tests.reliability.cluster import compare
from tests.setup import namespaces
from tests.setup.other_user import NOBODY
from tests.torture.mill import LONG
from tests.torture.slurm_site import (
    EXPOSURES,
    ONE_CPU,
    SlurmSite,
    recalibrated,
    slurm,
)
from tests.workflow.cluster import OPTIONS, TWO_CPUS, Cluster

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of Slurm; make torture runs it")

STEPS = [step for act in ACTS for step in act.steps]
ROOM, MORE_ROOM = 500_000, 1_000_000_000  # bytes of scratch: no rate file fits; all do
FULL = "full disk: No space left on device"


class Demo(SlurmSite):
    """The demo on a cluster whose nodes have no network; each job writes down its routes."""

    def __init__(self, site: Site, cluster: Cluster):
        super().__init__(site, cluster)
        self.routes = self.folder / "nodes"
        self.nodes = namespaces.without_network(self.routes, "calibrate_batch.py")

    def configure(self, **changes: Any) -> None:
        """Write the demo's config, for several jobs."""
        super().configure(**{"calibrate": {"batch": 4}} | changes)

    def start(self, *words: str, **options: Any) -> subprocess.Popen:
        """Start a run."""
        return super().start(*TWO_CPUS, *words, environment=self.nodes, **options)


def test_the_demo_gives_the_same_science_on_nodes_without_network(slurm_site, site):
    """After each of its five runs, in four acts; each run does exactly what it has to."""
    need(namespaces.missing())
    demo = Demo(slurm_site, slurm_site.cluster)

    local = [recalibrated(site)]
    for step in STEPS[1:]:
        play_step(site, step)
        local.append(recalibrated(site))
    ends: Counter[tuple[str, ...]] = Counter()
    for step, expected in zip(STEPS, local, strict=True):
        play_step(demo, step)
        ends += demo.ends()
        assert recalibrated(demo) == expected, step.story

    assert namespaces.routes_in(demo.routes) == [[]] * len(slurm_site.cluster.sacct())
    compare("no network", replace(demo.outcome(local[-1]), ends=ends))


class OtherUser(SlurmSite):
    """A site of another user, in a folder of this user."""

    def start(self, *words: str, **options: Any) -> subprocess.Popen:
        """Start a run as this user."""
        name = pwd.getpwuid(NOBODY).pw_name
        paths = (str(self.folder), os.environ.get("PYTHONPATH", ""))
        home = dict.fromkeys(("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"), str(self.folder))
        home |= {"USER": name, "LOGNAME": name, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = self.command(*OPTIONS, *words, profile=str(ROOT / "profiles" / "slurm"))
        with open(self.log, "w") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *command, "--snakefile", str(ROOT / "Snakefile")],
                cwd=self.folder,
                env=os.environ | self.cluster.environment() | home,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
            )


def refused() -> str:
    """Why another user cannot run this Python; empty if it can."""
    call = [sys.executable, "-c", "import snakemake, jwmirror"]
    try:
        done = subprocess.run(call, user=NOBODY, group=NOBODY, cwd="/", capture_output=True)
    except PermissionError:
        return f"another user may not run {sys.executable}"
    return done.stderr.decode() if done.returncode else ""


@pytest.fixture
def other_user(slurm_site, mirrored) -> Iterator[OtherUser]:
    """A site of another user, beside a reference cache that this user cannot write."""
    if refused():
        pytest.skip(refused())
    with tempfile.TemporaryDirectory(prefix="jwmirror-user.") as folder:
        Path(folder).chmod(0o755)
        own, cache = Path(folder, "own"), Path(folder, "crds_cache")
        own.mkdir()
        shutil.copytree(mirrored / "crds_cache", cache)
        for path in (cache, *cache.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        site = OtherUser(Site(own, slurm_site.observatory), slurm_site.cluster)
        site.observe(references={"cache": str(cache)})
        for path in (own, *own.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield site


def test_a_run_cancels_only_its_own_jobs(slurm_site, other_user, local_science):
    """Two users' runs on one Slurm: one is killed and called again while the other's jobs wait."""
    cache = other_user.folder.parent / "crds_cache"
    before = facts_of(cache)
    slurm_site.hook(waiting=EXPOSURES)

    slurm_site.kill_at_work(*TWO_CPUS)
    others = other_user.start(*TWO_CPUS)
    waiting = ("squeue", "-h", "-u", str(NOBODY), "-t", "PENDING", "-o", "%i")
    other_user.wait_for(others, lambda: len(slurm(*waiting).split()) == len(EXPOSURES))
    second = slurm_site.start(*TWO_CPUS)
    slurm_site.wait_for(second, lambda: "Waiting for 2 jobs of run" in slurm_site.said())
    slurm_site.gate.touch()
    slurm_site.finish(second)
    other_user.finish(others)

    jobs = slurm_site.cluster.sacct("User", "State")
    assert "Cancelled 1 job of run" in slurm_site.said()
    assert Counter((user, state.partition(" ")[0]) for user, state in jobs) == {
        ("nobody", "COMPLETED"): 3,
        ("root", "COMPLETED"): 3,
        ("root", "CANCELLED"): 1,
    }
    assert facts_of(cache) == before
    assert {os.stat(path).st_uid for path in other_user.mirror.rglob("*")} == {NOBODY}
    compare("two users", other_user.outcome(local_science))


def facts_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Size, time and mode of all below a folder."""
    stats = {str(path): path.stat() for path in folder.rglob("*")}
    return {path: (stat.st_size, stat.st_mtime_ns, stat.st_mode) for path, stat in stats.items()}


def test_a_full_scratch_is_named(slurm_site, small_disk, local_science):
    """Each exposure fails with the file and the id of its job; with room, the next run goes on."""
    scratch = small_disk(ROOM, 1000)
    slurm_site.observe(calibrate={"batch": 1, "scratch": str(scratch)})

    slurm_site.finish(slurm_site.start(*ONE_CPU), expect=1)
    listed = msgspec.json.decode(slurm_site.jwmirror("failures", "--json"), type=FailureList)
    full = slurm_site.outcome(local_science, FULL)
    subprocess.run(["mount", "-o", f"remount,size={MORE_ROOM}", str(scratch)], check=True)
    slurm_site.finish(slurm_site.start(*ONE_CPU))

    failures = [each for each in listed.failures if each.cause]
    assert [each.cause for each in failures] == ["disk"] * len(EXPOSURES)
    for each in failures:
        assert FULL in each.why and f"{scratch}/jwmirror-" in each.why
        assert each.scheduler_id and each.host and Path(each.log).exists()
    assert list(scratch.iterdir()) == []
    compare("scratch", full)
    compare("scratch again", slurm_site.outcome(local_science))
