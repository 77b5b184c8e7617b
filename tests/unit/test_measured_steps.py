"""States of steps and fallbacks: what is recorded, and what a mode or the data explain."""

import logging
from dataclasses import replace

import pytest

from jwmirror.core.model import Input
from jwmirror.pipeline.measure.fallbacks import (
    FALLBACK_MESSAGES,
    MOST,
    FallbackRecorder,
    listening,
    plain_message,
)
from jwmirror.pipeline.measure.steps import EXEMPTIONS, notable_states, step_states
from jwmirror.pipeline.registry import PIPELINES, pipeline_class
from tests.setup import records

ONE = ("jw01345001001_02101_00001_nrcb1_cal.fits", "jw01345001001_02101_00001_nrcb2_cal.fits")
SEGMENTS = tuple(f"jw01366002001_04103_00001-seg00{n}_nrs1_calints.fits" for n in (1, 2))
ALIGNED = {"tweakreg": {"abs_refcat": "gaia.ecsv"}}
SUBTRACTED = {"master_background": {"user_background": "sky_x1d.fits"}}
TWO = (*ONE, "jw01345001001_02101_00002_nrcb1_cal.fits")


def states(**steps):
    """The metadata of a file that says this of its steps."""
    return {f"meta.cal_step.{step}": state for step, state in steps.items()}


def notable(
    pipeline, states, *, wanted=(), groups=5, inputs=TWO, role="science", steps=None, **references
):
    """The states that remain for a derivation of an image."""
    derivation = replace(
        records.derivation(),
        pipeline=pipeline,
        parameters={"steps": steps or {}},
        inputs=tuple(Input(name=name, role=role) for name in inputs),
        references={name: (file, "") for name, file in references.items()},
    )
    metadata = {"meta.exposure.ngroups": groups, "meta.exposure.type": "NRC_IMAGE"}
    return notable_states(derivation, states, wanted or states.keys(), metadata)


def test_a_step_is_judged_by_the_product_that_shows_it():
    """A mosaic shows resample, and its members do not: stage 2 had skipped it."""
    cal = states(photom="COMPLETE", resample="SKIPPED")
    crf = states(tweakreg="COMPLETE", outlier_detection="FAILED", resample="SKIPPED")
    i2d = states(tweakreg="COMPLETE", outlier_detection="FAILED", resample="COMPLETE")

    found = step_states("image3", [crf, i2d], cal)

    assert found == {
        "tweakreg": "COMPLETE",
        "outlier_detection": "FAILED",
        "resample": "COMPLETE",
    }


def test_a_state_of_an_earlier_stage_is_not_of_this_one():
    """If no product shows another one."""
    cal = states(resample="SKIPPED")

    assert step_states("image3", [states(resample="SKIPPED")], cal) == {}
    assert step_states("image3", [states(resample="SKIPPED")]) == {"resample": "SKIPPED"}


def test_names_of_states_that_differ_from_those_of_steps_are_known():
    """Such as the dark, and all steps have some name."""
    assert step_states("detector1", [states(dark_sub="SKIPPED")]) == {"dark_current": "SKIPPED"}
    assert step_states("spec3", [states(resample="COMPLETE")]) == {"resample_spec": "COMPLETE"}


def test_a_skipped_step_is_notable_only_if_it_was_wanted_and_had_its_references():
    """A failed one always is."""
    skipped = {"dark_current": "SKIPPED"}

    assert notable("detector1", skipped, dark="jwst_dark_0001.fits") == skipped
    assert notable("detector1", skipped, dark="N/A") == {}
    assert notable("detector1", skipped, wanted=["jump"], dark="jwst_dark_0001.fits") == {}
    assert notable("detector1", {"persistence": "FAILED"}, wanted=["jump"]) != {}


@pytest.mark.parametrize(
    ("pipeline", "states", "data", "remains"),
    [
        ("detector1", {"group_scale": "SKIPPED"}, {}, False),
        ("detector1", {"jump": "SKIPPED"}, {"groups": 2}, False),
        ("detector1", {"jump": "SKIPPED"}, {"groups": 3}, True),
        ("image3", {"tweakreg": "FAILED"}, {"inputs": ONE}, False),
        ("image3", {"tweakreg": "FAILED"}, {"inputs": TWO}, True),
        ("tso3", {"outlier_detection": "SKIPPED"}, {"inputs": SEGMENTS}, False),
        ("image3", {"tweakreg": "FAILED"}, {"inputs": ONE, "steps": ALIGNED}, True),
        ("image3", {"skymatch": "SKIPPED"}, {}, True),
        ("detector1", {"group_scale": "FAILED"}, {}, True),
        ("spec3", {"master_background": "SKIPPED"}, {"role": "background"}, False),
        ("spec3", {"master_background": "FAILED"}, {}, False),
        ("spec3", {"master_background": "FAILED"}, {"role": "background"}, True),
        ("spec3", {"master_background": "FAILED"}, {"steps": SUBTRACTED}, True),
        ("spec2", {"pathloss": "SKIPPED"}, {}, True),  # EXP_TYPE is not MIRI's
    ],
)
def test_steps_that_have_nothing_to_do_are_explained(pipeline, states, data, remains):
    """By the number of groups, of exposures (not of detectors), or by what the step is.

    A single exposure can be aligned with a catalogue.
    """
    assert notable(pipeline, states, **data) == (states if remains else {})


def test_tables_name_steps_of_jwst():
    """A step that jwst does not have would never be found."""
    known = {step for pipeline in PIPELINES for step in pipeline_class(pipeline).step_defs}

    assert {row.step for row in EXEMPTIONS} <= known
    assert {row.step for row in FALLBACK_MESSAGES} <= known


def test_messages_of_a_fallback_are_recorded_in_the_order_of_steps():
    """Once each, without folders; other messages and other modules are not."""
    recorder = FallbackRecorder()
    short = "Not enough matches (%d) found for image catalog '%s'. Min required: %d."

    with listening(recorder):
        logging.getLogger("jwst.extract_1d.extract").error("Spectrum is empty; no valid data.")
        for _ in range(2):
            logging.getLogger("tweakwcs.wcsimage").warning(short, 3, "/tmp/x/jw1_cal", 10)
        logging.getLogger("jwst.tweakreg.tweakreg_step").info("Detected 30 sources in x.")
        logging.getLogger("jwst.photom.photom").warning("Not enough matches in a table")
    logging.getLogger("tweakwcs.wcsimage").warning(short, 4, "afterwards", 10)

    assert [(item.step, item.message) for item in recorder.fallbacks] == [
        ("extract_1d", "Spectrum is empty; no valid data."),
        ("tweakreg", short % (3, "jw1_cal", 10)),
    ]


def test_a_message_that_cannot_be_formatted_does_not_end_the_step(monkeypatch):
    """Logging reports such mistakes, and goes on."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    recorder = FallbackRecorder()

    with listening(recorder):
        logging.getLogger("jwst.jump.jump_step").warning("%d rays", "many")

    assert recorder.fallbacks == ()


def test_a_storm_of_messages_is_cut():
    """Thousands of slits may say the same."""
    recorder = FallbackRecorder()

    with listening(recorder):
        for slit in range(50):
            logging.getLogger("jwst.pathloss.pathloss").warning("Source is outside slit %d", slit)

    assert len(recorder.fallbacks) == MOST


def test_messages_are_the_same_in_every_folder_and_process():
    """Addresses and folders are taken out, units and fractions stay."""
    message = "Input <ImageModel at 0x7f00ab12> of /tmp/run/7/x_cal.fits:\n 3 MJy/sr, 1/2"

    assert plain_message(message) == "Input <ImageModel> of x_cal.fits: 3 MJy/sr, 1/2"
