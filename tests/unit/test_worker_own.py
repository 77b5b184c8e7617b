"""Hooks, functions between stages and override files of the user's own, in a worker."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from tests.setup.calibration import (  # noqa: F401
    DEEP,
    files_of,
    folder,
    observed,
)

FIXES = """
import sys

def scale(model):
    model.data *= {factor}
    return model

if __name__ == "__main__":
    assert sys.argv[1:], "no file was given"
"""


@pytest.mark.parametrize("kind", ["function", "script"])
def test_a_hook_really_runs_and_its_source_is_in_the_key(folder, kind):
    """Given relative to where snakemake is called; edited, it gives another key and result."""
    hook = {"function": "fixes.scale", "script": "python fixes.py {0}"}[kind]
    asked = {"detector1": {"gain_scale": {"post_hooks": [hook]}}}
    recipe = replace(DEEP, stages=(1,), parameters=asked)
    signals, keys = [], []
    for factor in ("1.0", "2.0", "3.0"):
        (folder.root / "fixes.py").write_text(FIXES.format(factor=factor))
        receipt = folder.calibrate(folder.plan(recipe, count=1))
        assert receipt.failures == ()
        keys += receipt.computed
        made = files_of(folder, receipt)
        (rate,) = (path for name, path in made.items() if "_rate." in name)
        signals.append(np.nansum(fits.getdata(rate, "SCI"), dtype=float))

    assert len(set(keys)) == 3
    assert len(made) == 2  # rate and rateints: not what stpipe writes for the script
    if kind == "function":
        assert np.allclose(np.array(signals) / signals[0], [1, 2, 3], rtol=1e-5)


def test_a_function_between_stages_changes_what_the_second_one_takes(folder):
    """The cal is of the changed rate; the rate serves all recipes; a failure is the exposure's."""
    (folder.root / "fixes.py").write_text(FIXES.format(factor='float(open("factor.txt").read())'))
    (folder.root / "factor.txt").write_text("2.0")
    between = {"detector1..image2": ("fixes.scale",)}
    read = {"detector1..image2": ("factor.txt",)}
    sums = {}
    for recipe in (DEEP, replace(DEEP, name="scaled", between=between, between_files=read)):
        receipt = folder.calibrate(folder.plan(recipe, count=1))
        assert receipt.failures == ()
        for name, path in files_of(folder, receipt).items():
            suffix = name.rpartition("_")[2]
            sums[recipe.name, suffix] = np.nansum(fits.getdata(path, "SCI"), dtype=float)
    (folder.root / "fixes.py").write_text("def scale(model): ...\n")
    broken = folder.calibrate(folder.plan(replace(DEEP, name="broken", between=between), count=1))

    assert len(folder.store.results) == 3  # one rate for all recipes, and a cal each
    assert np.isclose(sums["scaled", "cal.fits"] / sums["deep", "cal.fits"], 2, rtol=1e-5)
    assert "fixes.scale on " in broken.failures[0].message
    assert "found nothing; return the model" in broken.failures[0].message


def test_a_hook_that_was_edited_after_the_plan_does_not_run(folder):
    """The exposure fails, and says to plan anew; nothing is kept."""
    (chain,) = folder.plan(replace(DEEP, stages=(1,)), count=1)
    hooked = folder.with_hook(chain, "fail")
    with open(folder.root / "bad_hooks.py", "a") as file:
        file.write("# edited\n")

    receipt = folder.calibrate([hooked])

    assert "hook bad_hooks.fail has changed since the plan was made" in receipt.failures[0].message
    assert folder.store.results == {}


def test_an_override_is_used_from_its_place_and_refused_when_it_changed(folder):
    """A relative path; the header names the file, the key its content."""
    (flat,) = (folder.cache / "references/jwst/nircam").glob("*_flat_*.fits")
    shutil.copy(flat, folder.root / "mine.fits")
    asked = {"image2": {"flat_field": {"override_flat": "mine.fits"}}}
    chains = folder.plan(replace(DEEP, parameters=asked), count=1)

    good = folder.calibrate(chains)
    fits.setval(folder.root / "mine.fits", "AUTHOR", value="me")
    folder.store.results.clear()
    changed = folder.calibrate(chains)

    (cal,) = (path for name, path in files_of(folder, good).items() if "_cal." in name)
    assert fits.getval(cal, "R_FLAT") == str(folder.root / "mine.fits")
    assert "override_flat) has changed since the plan was made" in changed.failures[0].message
