"""The same workflow on a real Slurm of two nodes."""

import subprocess
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from jwmirror.core.model import read
from jwmirror.core.model.jobs.attempts import Attempt
from tests.conftest import need
from tests.setup.processes import watch_children
from tests.workflow.cluster import OPTIONS, TWO_CPUS, Cluster, missing
from tests.workflow.test_kill import SMALL, identities

TOKEN = f"token-{uuid.uuid4().hex}"  # of no other process on this machine
MARK = "JWMIRROR_TEST_MARK"

PATIENCE_S = 240


@pytest.mark.slow
def test_first_run_on_slurm_publishes_what_one_machine_publishes(fresh_site, site):
    """Calibration goes to the nodes as Slurm jobs, without the token; the results are the same.

    One of the jobs is cancelled: it is restarted, and what it has computed is not computed again.
    """
    need(missing())

    fresh_site.configure(programs=SMALL, calibrate={"batch": 2})
    fresh_site.observatory.archive.tokens = {TOKEN}
    log = fresh_site.folder / "snakemake.log"
    with Cluster() as cluster:
        environment = cluster.environment() | {"MAST_API_TOKEN": TOKEN, MARK: TOKEN[-8:]}
        run = fresh_site.start(
            *OPTIONS, *TWO_CPUS, log=log, profile="profiles/slurm", environment=environment
        )
        cancelling = threading.Thread(target=cancel_first_job, args=(fresh_site.mirror,))
        cancelling.start()
        children = watch_children(run, f"{MARK}={TOKEN[-8:]}")
        cancelling.join()
        jobs = cluster.sacct()

    assert run.returncode == 0, log.read_text()[-6000:]
    states = Counter(state.partition(" ")[0] for _, state, _ in jobs)
    assert states.pop("CANCELLED") == 1
    assert states.keys() == {"COMPLETED"} and states["COMPLETED"] >= 3
    assert {node for *_, node in jobs} == {"n1", "n2"}
    ends = [[each.end for each in job.attempts] for job in fresh_site.run().batch_receipts]
    assert sorted(ends, key=len)[-2:] == [["done"], ["cancelled", "done"]]
    assert identities(fresh_site) == identities(site)
    assert any(b"SLURM_JOB_ID=" in variables for _, variables in children)
    assert [child for child in children if TOKEN.encode() in b"".join(child)] == []


def cancel_first_job(mirror: Path) -> None:
    """Cancel a job of Slurm as soon as one has begun."""
    deadline = time.monotonic() + PATIENCE_S
    while not (records := list(mirror.glob("receipts/runs/*/attempts/*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    subprocess.run(["scancel", read(records[0], Attempt).slurm_id], check=True)
