"""Kept ramps: a changed ramp_fit begins at the ramp, and gives what a full run gives."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.core.model.plan import Output
from jwmirror.core.model.quality import Fallback, Measurements
from jwmirror.pipeline import ramps
from jwmirror.pipeline.derivation import key_of
from tests.setup import records
from tests.setup.calibration import DEEP, files_of, folder, observed  # noqa: F401

KEEPING = replace(DEEP, stages=(1,), keep=("ramp",))
FAILING = {"clean_flicker_noise": {"skip": False, "fit_method": "fft"}}  # not for imaging
ONE_GROUP_LESS = {"ramp_fit": {"firstgroup": 1}}
RAMP_AND_RATE = ("ramp", "rate")
OTHER_JUMPS = {"detector1": {"jump": {"rejection_threshold": 9.0}}}
ANEW = {"DATE"}  # when a file was written
LOG = "ASDF"  # the extension that holds, beside metadata, the pipeline's messages


def differing(one, other):
    """The cards and arrays in which two products differ, by extension."""
    with fits.open(one) as left, fits.open(other) as right:
        assert [hdu.name for hdu in left] == [hdu.name for hdu in right]
        pairs = [pair for pair in zip(left, right, strict=True) if pair[0].name != LOG]
        cards = {
            (mine.name, key)
            for mine, theirs in pairs
            for key in {*mine.header} | {*theirs.header}
            if mine.header.get(key) != theirs.header.get(key)
        }
        arrays = {
            (mine.name, "data")
            for mine, theirs in pairs
            if mine.is_image
            and mine.data is not None
            and not np.array_equal(mine.data, theirs.data, equal_nan=mine.data.dtype.kind == "f")
        }
        return cards | arrays


def identities(receipt):
    """The science content of a receipt's files, by name."""
    return {(f.filename, f.identity) for result in receipt.results for f in result.files}


def logged(folder, chain):
    """What the pipeline said of an exposure so far."""
    return (folder.root / "logs" / f"{chain.product}.log").read_text()


def test_a_changed_ramp_fit_begins_at_the_kept_ramp(folder):
    """Jump is not run again; arrays, headers and measurements are those of a full run."""
    (first,) = folder.plan(replace(KEEPING, parameters={"detector1": FAILING}), count=1)
    folder.calibrate([first])
    before = logged(folder, first)
    other = {"detector1": FAILING | ONE_GROUP_LESS}
    (changed,) = folder.plan(replace(KEEPING, parameters=other), count=1)

    resumed = folder.calibrate([changed])
    spoken = logged(folder, first).removeprefix(before)
    measured = folder.store.measured.pop(resumed.computed[0])
    folder.store.results.clear()
    full = folder.calibrate([replace(changed, keep=())])

    assert resumed.failures == full.failures == ()
    assert resumed.computed == full.computed == (key_of(changed.derivations[0]),)
    assert "Step ramp_fit done" in spoken and "Step jump" not in spoken
    made = [files_of(folder, receipt) for receipt in (resumed, full)]
    assert made[0].keys() - made[1].keys() == {f"{first.product}_ramp.fits"}
    assert len(made[1]) == 2
    assert identities(resumed) >= identities(full)
    assert folder.store.measured[full.computed[0]] == measured
    assert [fallback.step for fallback in measured.fallbacks] == ["clean_flicker_noise"]
    for name, path in made[1].items():
        assert {key for _, key in differing(made[0][name], path)} <= ANEW


def test_a_changed_jump_makes_ramp_and_rate_anew(folder):
    """What comes before ramp_fit counts for the ramp."""
    (first,) = folder.plan(KEEPING, count=1)
    (changed,) = folder.plan(replace(KEEPING, parameters=OTHER_JUMPS), count=1)

    one, other = folder.calibrate([first]), folder.calibrate([changed])

    assert len(one.computed) == len(other.computed) == 2
    assert not set(one.computed) & set(other.computed)
    assert [result.pipeline for result in one.results] == ["detector1_ramp", "detector1"]


def test_keeping_a_ramp_is_not_in_the_key(folder):
    """A recipe that keeps its ramps finds the rates of one that does not, and makes no ramp."""
    (plain,) = folder.plan(replace(KEEPING, keep=()), count=1)
    folder.calibrate([plain])

    assert folder.plan(KEEPING, count=1) == []


def test_ramp_key_holds_just_what_the_ramp_depends_on(folder):
    """Neither ramp_fit's parameters nor references that only it reads; the jump's are there."""
    derivation = folder.plan(KEEPING, count=1)[0].derivations[0]

    ramp = ramps.ramp_derivation(derivation)

    assert not {"ramp_fit", "gain_scale"} & set(ramp.parameters["steps"])
    assert {"gain", "readnoise", "superbias"} <= set(ramp.references)
    assert "pars-detector1pipeline" not in ramp.references
    assert ramp.references.items() <= derivation.references.items()


@pytest.mark.parametrize("pipeline", ["guider", "image2"])
def test_only_detector1_has_ramps_to_keep(folder, pipeline):
    """Other pipelines pay no attention to `keep`."""
    derivation = replace(folder.plan(count=1)[0].derivations[0], pipeline=pipeline)

    assert not ramps.keeps_ramp(derivation, ("ramp",))


def test_no_ramp_is_kept_where_earlier_steps_leave_files(folder):
    """What a run from the ramp could not make again is made by whole runs only."""
    saving = {"detector1": {"jump": {"save_results": True}}}

    plain, saved = (
        folder.plan(replace(KEEPING, parameters=said), count=1)[0].derivations[0]
        for said in ({}, saving)
    )

    assert ramps.keeps_ramp(plain, ("ramp",)) and not ramps.keeps_ramp(saved, ("ramp",))


def test_a_ramp_has_the_measurements_of_its_own_steps():
    """What concerns ramp_fit belongs to the rate, which has all else as well."""
    measured = Measurements(
        instrument="NIRCAM",
        exp_type="NRC_IMAGE",
        steps={"jump": "COMPLETE", "ramp_fit": "FAILED"},
        fallbacks=(Fallback(step="refpix", message="a"), Fallback(step="ramp_fit", message="b")),
        files={"x_ramp.fits": {"pixels": 1}, "x_rate.fits": {"pixels": 2}},
    )
    ramp, rate = (Output(path=f"folder/x_{suffix}.fits", identity="") for suffix in RAMP_AND_RATE)

    of_ramp = ramps.measurements_of_part(records.derivation("detector1_ramp"), [ramp], measured)
    of_rate = ramps.measurements_of_part(records.derivation("detector1"), [rate], measured)

    assert of_ramp.steps == {"jump": "COMPLETE"}
    assert of_ramp.fallbacks == measured.fallbacks[:1]
    assert of_ramp.files == {"x_ramp.fits": {"pixels": 1}}
    assert of_rate == replace(measured, files={"x_rate.fits": {"pixels": 2}})
