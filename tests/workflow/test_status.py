"""`jwmirror status` and `plan` on a real mirror: what an edit of the config makes out of date."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

from demo.site import ROOT

FIRSTGROUP = {"parameters": {"detector1": {"ramp_fit": {"firstgroup": 1}}}}
LATER_CONTEXT = "jwst_0009.pmap"


def jwmirror(site, *words):
    """What `jwmirror WORDS` prints on a site's config, in a process of its own."""
    call = "from jwmirror.cli import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", call, *words, "--config", str(site.config_file)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("CRDS")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answer(site, *words):
    """What `jwmirror WORDS --json` prints."""
    return json.loads(jwmirror(site, *words, "--json"))


def test_the_time_of_the_first_run_is_estimated_within_a_factor_of_2(site):
    """By the times that it recorded: the same work again, with another parameter."""
    estimate = answer(site, "plan", "--set", "deep.detector1.jump.rejection_threshold=7")[
        "estimate"
    ]
    benchmarks = site.mirror.glob("logs/*/calibrate_batch/**/*.tsv")
    seconds = [float(path.read_text().splitlines()[1].split()[0]) for path in benchmarks]

    assert len(seconds) == estimate["jobs"]
    assert 0.5 <= estimate["seconds"] / sum(seconds) <= 2
    assert estimate["too_large"] == []


def levels(found):
    """How many exposures and associations are out of date."""
    return dict(Counter(each["level"] for each in found["out_of_date"]))


@pytest.mark.slow
def test_patched_code_makes_results_out_of_date_while_it_is_used(site, tmp_path, monkeypatch):
    """The plan names the package and the file; without the patch, nothing has to be computed."""
    released = Path(str(distribution("stdatamodels").locate_file("")))
    for folder in ("stdatamodels", f"stdatamodels-{version('stdatamodels')}.dist-info"):
        shutil.copytree(released / folder, tmp_path / "patched" / folder)
    with open(tmp_path / "patched" / "stdatamodels" / "validate.py", "a") as file:
        file.write("# patched\n")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path / "patched"), prepend=os.pathsep)
        found = answer(site, "plan")

    restored = answer(site, "plan")

    assert levels(found) == {"exposure": 10, "association": 3}
    assert all(each["reasons"][0].startswith("stdatamodels ") for each in found["out_of_date"])
    assert any("1 file differs from its release (stdatamodels/val" in n for n in found["notes"])
    assert (restored["out_of_date"], restored["other_versions"]) == ([], [])


@pytest.mark.slow
def test_status_tells_what_cannot_be_known_without_asking(site):
    """A context or a cache that is not there is said as such; the rest is told all the same."""
    site.configure(references={"context": LATER_CONTEXT}, recipes={"deep": FIRSTGROUP})
    other_context = answer(site, "plan")
    site.configure(references={"cache": str(site.folder / "other")})
    other_cache = answer(site, "plan")

    assert levels(other_context) == {"exposure": 10, "association": 3}
    assert f"{LATER_CONTEXT} is not in the reference cache" in other_context["notes"][0]
    assert (len(other_cache["unknown"]), other_cache["out_of_date"]) == (13, [])
    assert "is not in the reference cache" in other_cache["unknown"][0]["why"]


@pytest.mark.slow
def test_explain_tells_where_each_value_comes_from(site):
    """Default, parameter reference, recipe and where-block of real results."""
    rate = "jw01345001001_04101_00001_nrcb1_rate.fits"
    catalogue = "jw01345-o001_t001_nircam_clear-f200w-sub160_cat.ecsv"

    (first,) = answer(site, "explain", rate, "--recipe", "deep")["files"]
    (third,) = answer(site, "explain", catalogue, "--recipe", "deep")["files"]

    assert first["origins"]["jump.rejection_threshold"] == "recipe deep, where filter F150W"
    assert first["origins"]["jump.flag_4_neighbors"] == "default of jwst"
    assert third["origins"]["source_catalog.snr_threshold"] == "recipe deep"
    reference = third["origins"]["tweakreg.tolerance"]
    assert reference == third["record"]["derivation"]["references"]["pars-tweakregstep"][0]
    assert not [each for each in third["origins"].values() if "changed since" in each]


@pytest.mark.slow
def test_a_stage_that_was_never_synced_is_unknown_until_a_run(fresh_site):
    """A recipe that gains stage 3 wants references that no run has fetched yet."""
    part = {"programs": [{"program": 1345, "observations": [2]}]}
    fresh_site.configure(recipes={"deep": {"stages": [1, 2]}}, **part)
    fresh_site.snakemake()
    fresh_site.configure(**part)

    found = answer(fresh_site, "status")

    assert found["out_of_date"] == [] and found["failures"] == []
    (unknown,) = found["unknown"]
    assert "is not in the reference cache" in unknown["why"]
