"""The same workflow on a real Slurm of two nodes."""

import pytest

from tests.conftest import need
from tests.workflow.cluster import Cluster, missing
from tests.workflow.test_kill import identities

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
    """Calibration goes to the nodes as Slurm jobs, all else stays; the results are the same."""
    need(missing())

    fresh_site.configure(calibrate={"batch": 4})
    with Cluster() as cluster:
        fresh_site.snakemake(
            *SMALL_NODES, profile="profiles/slurm", environment=cluster.environment()
        )
        jobs = cluster.sacct()

    assert len(jobs) >= 3 and {state for _, state, _ in jobs} == {"COMPLETED"}
    assert {node for *_, node in jobs} == {"n1", "n2"}
    assert identities(fresh_site) == identities(site)
