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
from jwmirror.planning import quality as rules
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


# ---- each rule by itself ---------------------------------------------------------------------


def threshold(**fields: object) -> Threshold:
    """A threshold of the noise of files, which is known from flight data."""
    given = {
        "name": "t", "cause": "noise", "quantity": "noise", "of": "file", "limit": "at most",
        "value": 2.0, "measures": "the noise", "reason": "", "basis": "flight",
    }  # fmt: skip
    return Threshold(**given | fields)


def judged(*thresholds: Threshold, product: str = "x", **evidence: object) -> Quality:
    """The quality by these thresholds."""
    files, members = evidence.pop("files", {}), evidence.pop("of_members", {})
    of = Measurements(instrument="", exp_type="", steps={}, files=files, members=members)
    return judge(Evidence(product=product, measurements=of, **evidence), thresholds)


@pytest.mark.parametrize(
    ("limit", "noise", "message"),
    [
        ("at most", 2.0, ""),
        ("at most", 2.00001, "x_cal.fits: the noise: 2; at most 2 is allowed"),
        ("at most", 1.0, ""),
        ("at least", 2.0, ""),
        ("at least", 1.25, "x_cal.fits: the noise: 1.25; at least 2 is allowed"),
        ("at least", 3.0, ""),
    ],
)
@pytest.mark.parametrize("of", ["file", "member"])
def test_a_limit_itself_is_allowed(of, limit, noise, message):
    """What is beyond it is a caveat with both numbers."""
    measured_of = {"files" if of == "file" else "of_members": {"x_cal.fits": {"noise": noise}}}

    found = judged(threshold(limit=limit, of=of), **measured_of).caveats

    caveat = Caveat(
        cause="noise", message=message, subject="x_cal.fits", measured=noise, allowed=2.0
    )
    assert found == ((caveat,) if message else ())


def test_a_threshold_is_for_files_or_for_members():
    """And for its own quantity; those that are not judged or not measured are passed by."""
    bad = {"b_cal.fits": {"noise": 9.0}, "a_cal.fits": {"noise": 8.0}, "0_cal.fits": {}}
    other = threshold(quantity="median"), threshold(value=None), threshold(of="member")

    assert [each.subject for each in judged(*other, threshold(), files=bad).caveats] == [
        "a_cal.fits",
        "b_cal.fits",
    ]
    assert judged(threshold(), of_members=bad).caveats == ()


@pytest.mark.parametrize(
    ("name", "count"), [("x_cal.fits", 0), ("x_rate.fits", 1), ("cal.fits", 0), ("x_cal_rate.a", 1)]
)
def test_a_suffix_may_have_a_value_of_its_own(name, count):
    """Or none: then it is not judged."""
    files = {name: {"noise": 5.0}}

    for value in (6.0, None):
        found = judged(threshold(by_suffix={"cal": value}), files=files)
        assert len(found.caveats) == count


CHANGED = "x_cal.fits: the noise: 3 here, 2 in {}, a difference of 50%; up to 49% is allowed"


@pytest.mark.parametrize(
    ("source", "whose"), [("archived", "MAST's product"), ("replaced", "the result before")]
)
@pytest.mark.parametrize(("value", "is_caveat"), [(0.49, True), (0.5, False), (None, False)])
def test_a_change_is_relative_to_the_old_value(source, whose, value, is_caveat):
    """The allowed change itself is no caveat."""
    rule = threshold(limit="change", value=value, scale=("noise",))
    files, old = {"x_cal.fits": {"noise": 3.0}}, {"x_cal.fits": {"noise": 2.0}}

    found = judged(rule, files=files, **{source: old}).caveats

    message = CHANGED.format(whose)
    assert [(each.message, each.measured, each.allowed) for each in found] == [
        (message, 0.5, 0.49)
    ] * is_caveat


@pytest.mark.parametrize(
    ("old", "change"),
    [
        ({"noise": 1.0, "median": -4.0}, 0.5),
        ({"noise": 1.0, "median": 0.5}, 2.0),
        ({"noise": 1.0}, 2.0),
        ({"median": 4.0}, None),
        ({"noise": 0.0, "median": 0.0}, None),
        ({"noise": 0.0, "median": 0.5}, 6.0),
        ({}, None),
    ],
)
def test_the_scale_of_a_change_is_the_largest_of_its_quantities(old, change):
    """Whatever their signs; without scale or old value nothing is compared."""
    rule = threshold(limit="change", value=0.1, scale=("noise", "median"))

    found = judged(rule, files={"x_i2d.fits": {"noise": 3.0}}, replaced={"x_i2d.fits": old})

    assert [each.measured for each in found.caveats] == ([] if change is None else [change])


def test_files_are_compared_by_name_and_in_their_order():
    """One that is new is compared with nothing."""
    names = ["b_i2d.fits", "a_i2d.fits", "0_i2d.fits"]
    rule = threshold(limit="change", value=0.1, scale=("noise",))

    found = judged(
        rule,
        files={name: {"noise": 3.0} for name in names},
        archived={name: {"noise": 1.0} for name in names[:2]},
    )

    assert [each.subject for each in found.caveats] == ["a_i2d.fits", "b_i2d.fits"]


def test_steps_are_told_word_by_word_in_their_order():
    """The fallbacks of one step in one caveat, after the states."""
    fallbacks = [("z", "no stars"), ("c", "too few"), ("z", "no WCS")]
    of = measured(
        steps={"b": "SKIPPED", "a": "FAILED"},
        fallbacks=tuple(Fallback(step=step, message=text) for step, text in fallbacks),
    )

    told = [(each.cause, each.subject, each.message) for each in quality(of).caveats]

    assert told == [
        ("step failed", "a", "step a failed; the result lacks its correction; see the log of the "
         "product"),
        ("step skipped", "b", "step b was skipped although it had what it needs; its log says why"),
        ("fallback", "c", "step c went on in a simpler way: too few"),
        ("fallback", "z", "step z went on in a simpler way: no stars; no WCS"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"x_cal.fits": {"usable": 0.0}}, FAILED),
        ({"x_cal.fits": {"usable": 0.0, "rows": 3.0}}, FAILED),
        ({"x_cal.fits": {"usable": 0.5}, "x_x1d.fits": {"rows": 0.0}}, SOUND),
        ({"x_cal.fits": {"usable": 0.0}, "x_i2d.fits": {"usable": 0.1}}, SOUND),
        ({"x_cat.ecsv": {"rows": 0.0}}, FAILED),
        ({"x_cat.ecsv": {"rows": 1.0}}, SOUND),
        ({"x_cal.fits": {"noise": 0.0}}, SOUND),
        ({"y_crf.fits": {"usable": 0.0}}, FAILED),
        ({"y_crf.fits": {"usable": 0.0}, "x_i2d.fits": {"usable": 0.1}}, SOUND),
        ({}, ""),
        ({"x_cal.fits": {}}, ""),
        ({"x_cal.fits": {}, "x_x1d.fits": {"noise": 1.0}}, SOUND),
    ],
)
def test_a_result_failed_if_nothing_in_its_products_can_be_used(files, word):
    """Pixels decide, and rows where there are none; other files only where there is no product."""
    assert judged(files=files).word == word


def test_a_failed_result_keeps_its_caveats():
    """So that the user sees why."""
    found = judged(threshold(), files={"x_cal.fits": {"usable": 0.0, "noise": 3.0}})

    assert (found.word, [each.cause for each in found.caveats]) == (FAILED, ["noise"])


def caveat(cause: str, **fields: object) -> Caveat:
    """A caveat."""
    return Caveat(cause=cause, message=f"about {cause}", **fields)


@pytest.mark.parametrize(
    ("caveats", "word", "fields"),
    [
        ([caveat("noise")], CAVEAT, {"inherited": ("noise",)}),
        ([caveat("noise"), caveat("level"), caveat("noise")], CAVEAT,
         {"inherited": ("noise", "level")}),
        ([caveat("empty")], FAILED, {"inherited": ("empty",)}),
        ([caveat("noise", accepted="by ann")], CAVEAT,
         {"inherited": ("noise",), "accepted": "by ann"}),
        ([caveat("noise", accepted="by ann"), caveat("level", is_provisional=True)], CAVEAT,
         {"inherited": ("noise", "level"), "is_provisional": True}),
        ([caveat("noise"), caveat("level", is_provisional=True)], CAVEAT,
         {"inherited": ("noise", "level")}),
        ([caveat("noise", accepted="by ann", is_provisional=True)], CAVEAT,
         {"inherited": ("noise",), "accepted": "by ann", "is_provisional": True}),
        ([caveat("member", inherited=("noise", "level"))], CAVEAT,
         {"inherited": ("noise", "level")}),
    ],
)  # fmt: skip
def test_what_is_inherited_is_what_is_open_at_the_member(caveats, word, fields):
    """Each cause once; accepted or provisional only if all that is open there is."""
    member = Quality(word=word, caveats=tuple(caveats))

    (found,) = judged(members={"m_cal.fits": member}).caveats

    state = "failed" if word == FAILED else "has caveats"
    message = f"its member m_cal.fits {state}: {', '.join(fields['inherited'])}"
    assert found == Caveat(cause="member", subject="m_cal.fits", message=message, **fields)


def test_members_are_told_in_the_order_of_their_names():
    """Sound ones are not."""
    bad = Quality(word=CAVEAT, caveats=(caveat("noise"),))

    found = judged(members={"b": bad, "0": Quality(word=SOUND), "a": bad}).caveats

    assert [each.subject for each in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("then", "now", "is_accepted"),
    [
        (caveat("noise"), caveat("noise"), True),
        (caveat("noise", measured=2.0), caveat("noise", measured=2.5), False),
        (caveat("noise", subject="a"), caveat("noise", subject="b"), False),
        (caveat("noise"), caveat("level"), False),
        (replace(caveat("noise"), message="in other words"), caveat("noise"), True),
        (replace(caveat("fallback"), message="in other words"), caveat("fallback"), False),
        (replace(caveat("reference"), message="in other words"), caveat("reference"), False),
        (caveat("member", inherited=("noise",)), caveat("member", inherited=("level",)), False),
    ],
)
def test_an_acceptance_is_of_the_evidence(then, now, is_accepted):
    """Of another measurement, or of what CRDS says since, it says nothing."""
    acceptance = Acceptance(
        key="", recipe="", product="", pipeline="", caveats=(caveat("empty"), then),
        because="fine", who="ann", accepted_at="2026-03-01T12:00:00",
    )  # fmt: skip

    found = rules._accepted(now, acceptance)

    assert found.accepted == "by ann, 2026-03-01: fine" * is_accepted
    assert replace(found, accepted="") == now
    assert rules._accepted(replace(now, accepted="before"), acceptance).accepted == "before"


def test_a_finding_is_a_caveat_about_its_reference():
    """In CRDS's words."""
    finding = ReferenceFinding(name="flat.fits", kind="corrected", message="other bytes")

    assert judged(findings=[finding]).caveats == (
        Caveat(cause="reference", subject="flat.fits", message="other bytes"),
    )
