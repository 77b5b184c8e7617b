"""The same workflow on a real Slurm of two nodes."""

import uuid

import pytest

from tests.conftest import need
from tests.setup.processes import watch_children
from tests.workflow.cluster import Cluster, missing
from tests.workflow.test_kill import SMALL, identities

TOKEN = f"token-{uuid.uuid4().hex}"  # of no other process on this machine
MARK = "JWMIRROR_TEST_MARK"

# What a site writes into its copy of profiles/slurm, for nodes as small as these.
SMALL_NODES = [
    "--set-threads",
    "calibrate_batch=2",
    "--set-resources",
    "calibrate_batch:mem_mb=3000",
    "--default-resources",
    "slurm_account=lab",
    "runtime=30",
    "--latency-wait",
    "20",
]


@pytest.mark.slow
def test_first_run_on_slurm_publishes_what_one_machine_publishes(fresh_site, site):
    """Calibration goes to the nodes as Slurm jobs, without the token; the results are the same."""
    need(missing())

    fresh_site.configure(programs=SMALL, calibrate={"batch": 2})
    fresh_site.observatory.archive.tokens = {TOKEN}
    log = fresh_site.folder / "snakemake.log"
    with Cluster() as cluster:
        environment = cluster.environment() | {"MAST_API_TOKEN": TOKEN, MARK: TOKEN[-8:]}
        run = fresh_site.start(
            *SMALL_NODES, log=log, profile="profiles/slurm", environment=environment
        )
        children = watch_children(run, f"{MARK}={TOKEN[-8:]}")
        jobs = cluster.sacct()

    assert run.returncode == 0, log.read_text()[-6000:]
    assert len(jobs) >= 3 and {state for _, state, _ in jobs} == {"COMPLETED"}
    assert {node for *_, node in jobs} == {"n1", "n2"}
    assert identities(fresh_site) == identities(site)
    assert any(b"SLURM_JOB_ID=" in variables for _, variables in children)
    assert [child for child in children if TOKEN.encode() in b"".join(child)] == []
