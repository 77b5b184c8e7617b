"""The quality of results: causes, what is allowed, members, acceptance."""

from dataclasses import replace

import pytest

from jwmirror.config.thresholds import load_thresholds
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.core.model.quality import (
    CAVEAT,
    FAILED,
    SOUND,
    Acceptance,
    Caveat,
    Fallback,
    Measurements,
    Quality,
    Threshold,
)
from jwmirror.planning.quality import Evidence, judge

RATE = "x_nrcb1_rate.fits"
GOOD = {
    "usable": 0.95,
    "nan": 0.01,
    "do_not_use": 0.02,
    "median": 1.0,
    "noise": 0.1,
}


def measured(*, steps=None, fallbacks=(), members=None, **files) -> Measurements:
    """What a healthy rate file measures, with some quantities replaced."""
    return Measurements(
        instrument="NIRCAM",
        exp_type="NRC_IMAGE",
        steps={"jump": "COMPLETE", **(steps or {})},
        fallbacks=fallbacks,
        files={RATE: {**GOOD, **files}},
        members=members or {},
    )


def quality(measurements: Measurements | None, acceptance=None, **evidence) -> Quality:
    """The quality by the shipped thresholds for NIRCam imaging."""
    thresholds = load_thresholds().of("NIRCAM", "NRC_IMAGE")
    given = Evidence(product="x_nrcb1", measurements=measurements, **evidence)
    return judge(given, thresholds, acceptance)


def causes(measurements: Measurements, **evidence) -> list[str]:
    """The causes of a result's caveats."""
    return [caveat.cause for caveat in quality(measurements, **evidence).caveats]


def test_a_result_that_breaks_nothing_is_sound():
    """With MAST's product and the result before nearly equal, and a sound member."""
    near = {RATE: {**GOOD, "median": 1.05}}

    found = quality(
        measured(), archived=near, replaced=near, members={"x_uncal.fits": Quality(word=SOUND)}
    )

    assert found == Quality(word=SOUND)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"steps": {"jump": "FAILED"}}, "step failed"),
        ({"steps": {"jump": "SKIPPED"}}, "step skipped"),
        ({"fallbacks": (Fallback(step="tweakreg", message="too few"),)}, "fallback"),
        ({"nan": 0.9}, "missing pixels"),
        ({"do_not_use": 0.9}, "flagged pixels"),
        ({"saturated": 0.9}, "flagged pixels"),
        ({"jumps": 0.9}, "flagged pixels"),
        ({"usable": 1e-5}, "empty"),
        ({"members": {"m_cal.fits": {"shift": 500.0}}}, "alignment"),
        ({"members": {"m_cal.fits": {"relative_shift": 250.0}}}, "alignment"),
        ({"members": {"m_cal.fits": {"residual": 40.0}}}, "alignment"),
        ({"members": {"m_cal.fits": {"overlap": 0.0}}}, "alignment"),
        ({"members": {"m_cal.fits": {"matched": 2.0}}}, "sources"),
        ({"missing_members": 1.0}, "members"),
    ],
)
def test_each_measurement_has_its_cause(changes, cause):
    """And no other one is reported with it."""
    assert causes(measured(**changes)) == [cause]


@pytest.mark.parametrize("old", ["archived", "replaced"])
@pytest.mark.parametrize(
    ("factor", "expected"), [(2, ["level", "noise"]), (0.5, ["level"]), (1.1, [])]
)
def test_another_flux_scale_is_noticed(old, factor, expected):
    """Against MAST's product, and against the result before."""
    now = measured(median=factor * GOOD["median"], noise=factor * GOOD["noise"])

    assert causes(now, **{old: {RATE: GOOD}}) == expected


def test_a_level_near_zero_is_compared_with_the_noise():
    """A background of 0.001 that becomes 0.004 is no other flux scale if the noise is 0.1."""
    now, before = measured(median=0.004), {RATE: {**GOOD, "median": 0.001}}

    assert causes(now, replaced=before) == []


@pytest.mark.parametrize(("usable", "word"), [(0.0, FAILED), (1e-5, CAVEAT)])
def test_a_product_without_a_usable_pixel_failed(usable, word):
    """One with few usable pixels is empty, and has a caveat."""
    assert quality(measured(usable=usable)).word == word


def test_members_decide_nothing_about_an_unusable_mosaic():
    """The flagged members are products of stage 3, too, but the mosaic is what it is about."""
    files = {"x_nrcb1_i2d.fits": {"usable": 0.0}, "y_a3001_crf.fits": {"usable": 0.9}}
    mosaic = replace(measured(), files=files)

    assert quality(mosaic).word == FAILED


def test_a_mosaic_inherits_through_all_stages():
    """It names its member, and the cause at the member's member."""
    rate = quality(measured(steps={"jump": "FAILED"}))
    cal = quality(measured(nan=0.9), members={"a_rate.fits": rate})
    mosaic = quality(measured(), members={"a_cal.fits": cal, "b_cal.fits": Quality(word=SOUND)})

    (caveat,) = mosaic.caveats
    assert (caveat.cause, caveat.subject) == ("member", "a_cal.fits")
    assert caveat.inherited == ("missing pixels", "step failed")
    assert not caveat.is_provisional  # a failed step rests on no simulation


def test_thresholds_from_simulation_are_provisional_through_all_stages():
    """They never hold a result back, nor a mosaic of it."""
    cal = quality(measured(nan=0.9))
    (caveat,) = quality(measured(), members={"a_cal.fits": cal}).caveats

    assert [each.holds_back for each in (*cal.caveats, caveat)] == [False, False]


def test_findings_about_references_count_for_results_without_measurements():
    """An older jwmirror made them; without a finding nothing is known of them."""
    finding = ReferenceFinding(name="flat.fits", kind="retracted", message="CRDS retracted it")

    assert quality(None).word == ""
    assert [caveat.cause for caveat in quality(None, findings=[finding]).caveats] == ["reference"]


def test_a_result_of_which_no_product_can_be_measured_is_not_sound():
    """It is not measured; what is known against it counts all the same."""
    unread = replace(measured(), files={RATE: {}, "other.fits": {"nan": 0.0}})

    assert quality(unread).word == ""
    assert quality(replace(unread, steps={"jump": "FAILED"})).word == CAVEAT


def test_an_acceptance_covers_what_was_accepted_and_what_inherits_it():
    """A caveat that comes later is not covered."""
    acceptance = Acceptance(
        key="k",
        recipe="deep",
        product="x_nrcb1",
        pipeline="detector1",
        caveats=(Caveat(cause="step failed", subject="jump", message="as it was"),),
        because="not needed",
        who="ann",
        accepted_at="2026-03-01T12:00:00+00:00",
    )
    rate = quality(measured(steps={"jump": "FAILED"}), acceptance)
    later = quality(measured(steps={"jump": "FAILED", "dark": "FAILED"}), acceptance)
    (inherited,) = quality(measured(), members={"a_rate.fits": rate}).caveats

    assert rate.word == CAVEAT
    assert rate.caveats[0].accepted == "by ann, 2026-03-01: not needed"
    assert [caveat.holds_back for caveat in later.caveats] == [True, False]
    assert (inherited.accepted, inherited.holds_back) == (rate.caveats[0].accepted, False)


def test_messages_say_what_was_measured_and_what_is_allowed():
    """In words, with the file."""
    (caveat,) = quality(measured(nan=0.9)).caveats

    assert caveat.message == (
        f"{RATE}: fraction of expected pixels without a value (NaN): 0.9; at most 0.3 is allowed"
    )
    assert (caveat.measured, caveat.allowed) == (0.9, 0.3)


def test_equal_evidence_gives_equal_quality_in_any_order():
    """Members and files may come in any order."""
    bad = Quality(word=CAVEAT, caveats=(Caveat(cause="noise", message=""),))
    members = {"a_cal.fits": bad, "b_cal.fits": bad}

    one = quality(measured(nan=0.9, saturated=0.9), members=members)
    other = quality(
        measured(saturated=0.9, nan=0.9),
        members=dict(reversed(list(members.items()))),
    )

    assert one == other


def test_a_threshold_of_null_judges_nothing():
    """So a user can switch one off."""
    threshold = load_thresholds().defaults["missing pixels"]
    off = replace(threshold, value=None, by_suffix={})

    evidence = Evidence(product="x_nrcb1", measurements=measured(nan=0.9))

    assert isinstance(off, Threshold)
    assert judge(evidence, [off]).word == SOUND
