"""Limits on large runs, end to end."""

import pytest


@pytest.mark.slow
def test_a_run_beyond_a_limit_does_nothing_until_it_is_accepted(fresh_site):
    """Exit code 2 and the preview, before the first download and before the first job.

    What is mirrored, and recalibrated by a recipe without programs, is found by its position.
    """
    position = {"ra": 81.2, "dec": -69.1, "radius": "3 arcmin"}
    fresh_site.configure(programs=[{"position": position}])
    limits = "limits={fetch_gb: 0, results: 0}"

    said = fresh_site.snakemake("--config", limits, expect=2)
    found = said.index("programs[0] (position: 81.2 -69.1, 0.05 deg): 1 program, ")
    assert found < said.index("The run would fetch") and ": program 1345 (o002" in said
    assert not list(fresh_site.mirror.glob("objects/*/*"))

    said = fresh_site.snakemake("--config", limits, "accept=fetch", expect=2)
    assert "The run would compute" in said and "no result in the mirror yet" in said
    assert "Traceback" not in said
    assert fresh_site.tally().computed == {}
