"""`jwmirror explain` on a real mirror: what was made, and what would be made of a file."""

import json
import os
import subprocess
import sys

import pytest

from demo.site import ROOT

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
THRESHOLD = "jump.rejection_threshold"


def explain(site, *words: str) -> dict:
    """What `jwmirror explain WORDS --json` says by the site's config."""
    command = [sys.executable, "-m", "jwmirror.cli", "explain", *words, "--json"]
    done = subprocess.run(
        [*command, "--config", str(site.config_file)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("CRDS")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_what_would_be_made_of_a_file_is_told_before_it_is(site):
    """By a recipe that never ran, and by a setting: the same keys, origins and differences."""
    strict = {"extends": "deep", "parameters": {"detector1": {"jump": {"rejection_threshold": 6}}}}
    site.configure(recipes={"strict": strict})

    (by_recipe,) = explain(site, f"{EXPOSURE}_uncal.fits", "--recipe", "strict")["outlooks"]
    (mosaic,) = explain(site, f"{MOSAIC}_i2d.fits", "--recipe", "strict")["outlooks"]
    (published,) = explain(site, f"{EXPOSURE}_uncal.fits", "--recipe", "deep")["outlooks"]
    setting = f"deep.detector1.{THRESHOLD}=6"
    by_setting = explain(site, f"{EXPOSURE}_rate.fits", "--recipe", "deep", "--set", setting)

    detector1, image2 = by_recipe["stages"]
    assert (detector1["is_made"], len(detector1["key"]), image2["key"]) == (False, 64, "")
    assert [(s["is_made"], s["reasons"]) for s in published["stages"]] == [(True, [])] * 2
    assert detector1["origins"][THRESHOLD] == "recipe strict"
    assert detector1["origins"]["jump.expand_large_events"].startswith("jwst_nircam_pars-jumpstep")
    name, sha1 = detector1["derivation"]["references"]["gain"]
    assert name.startswith("jwst_nircam_gain") and len(sha1) == 40
    (former,) = detector1["former"]
    assert [each["what"] for each in former["reasons"]] == [f"detector1: {THRESHOLD}"]
    assert [stage["derivation"]["pipeline"] for stage in mosaic["stages"]] == ["image3"]

    (made,), (outlook,) = by_setting["files"], by_setting["outlooks"]
    assert former["key"] == made["record"]["key"]
    assert outlook["stages"][0]["key"] == detector1["key"]
    assert outlook["stages"][0]["origins"][THRESHOLD] == "set for recipe deep"
