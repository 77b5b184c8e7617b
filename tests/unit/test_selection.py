"""Selections: what the user asked for, and nothing that lacks the property asked about."""

import pytest

from jwmirror.archive.selection import select_products, unmatched_criteria
from jwmirror.core.model import Selection
from tests.setup.records import listing, product

NIRCAM = {
    "instrument": "NIRCAM",
    "exp_type": "NRC_IMAGE",
    "pupil": "CLEAR",
    "subarray": "SUB160",
    "date_obs": "2025-11-20T00:10:00.000",
}
UNCAL = product(
    "jw01345001001_02101_00001_nrcb1_uncal.fits",
    level=1,
    detector="NRCB1",
    filter="F200W",
    **NIRCAM,
)
RATE = product(
    "jw01345002001_02101_00001_nrca1_rate.fits",
    level=2,
    detector="NRCA1",
    filter="F150W2",
    **{**NIRCAM, "pupil": "F162M", "subarray": "FULL", "date_obs": "2025-11-25T23:59:00.000"},
)
GUIDER = product(
    "jw01345001001_gs-fg_2025001_uncal.fits",
    level=1,
    instrument="FGS",
    detector="GUIDER1",
    exp_type="FGS_FINEGUIDE",
)
I2D = product(
    "jw01345-o001_t001_nircam_clear-f200w_i2d.fits",
    level=3,
    detector="NRCB1",
    filter="F200W",
    group="Minimum Recommended Products",
    **NIRCAM,
)
ASN = product("jw01345-o001_20260101t000000_image3_00001_asn.json", level=3)
WIDE = product("jw01345-c1001_20260101t000000_image3_00001_asn.json", observation="c1001", level=3)
POOL = product("jw01345_20260101t000000_pool.csv", observation="pool")
NOTES = product("jw01345_notes.txt", observation="other")
NARROW = product(
    "jw01345003001_02101_00001_nrcalong_cal.fits",
    detector="NRCALONG",
    filter="F444W",
    **{**NIRCAM, "pupil": "F405N"},
)
SENSING = product("jw01345-o002_t035_nircam_f212n-wlm8-nrca3_wfscmb-04.fits", level=3, **NIRCAM)
PREVIEW = product("jw01345001001_02101_00001_nrcb1_rate_thumb.jpg", suffix="thumb")
SEGMENTS = product("jw01345-o001_t001_nircam_clear-f200w_segm.fits", caom_type="AUXILIARY")
ALL = (UNCAL, RATE, GUIDER, I2D, ASN, WIDE, POOL)
LISTING = listing(products=ALL)

CASES = {
    "everything": ({}, ALL),
    "one observation, and the pool": ({"observations": (1,)}, (UNCAL, GUIDER, I2D, ASN, POOL)),
    "suffixes": ({"products": ("rate", "i2d")}, (RATE, I2D)),
    "a detector keeps what is combined": (
        {"detectors": ("NRCA1",)},
        (RATE, I2D, ASN, WIDE, POOL),
    ),
    "a filter keeps what has none": (
        {"filters": ("f200w",)},
        (UNCAL, GUIDER, I2D, ASN, WIDE, POOL),
    ),
    "a filter in the pupil wheel": ({"filters": ("F162M",)}, (RATE, GUIDER, ASN, WIDE, POOL)),
    "an exposure type": (
        {"exposure_types": ("NRC_IMAGE",)},
        (UNCAL, RATE, I2D, ASN, WIDE, POOL),
    ),
    "an instrument": ({"instruments": ("nircam",)}, (UNCAL, RATE, I2D, ASN, WIDE, POOL)),
    "several criteria": (
        {"observations": (1,), "instruments": ("NIRCAM",), "products": ("uncal", "asn")},
        (UNCAL, ASN),
    ),
    "nothing": ({"products": ()}, ()),
    "a subarray": ({"subarrays": ("sub160",)}, (UNCAL, GUIDER, I2D, ASN, WIDE, POOL)),
    "a grating drops nothing that has none": ({"gratings": ("G140H",)}, ALL),
    "levels keep tables": ({"levels": (1,)}, (UNCAL, GUIDER, ASN, WIDE, POOL)),
    "what MAST recommends, and associations": (
        {"products": ("recommended", "asn")},
        (I2D, ASN, WIDE),
    ),
    "first and last day are included": (
        {"observed": ("2025-11-20", "2025-11-20")},
        (UNCAL, GUIDER, I2D, ASN, WIDE, POOL),
    ),
    "an open end": ({"observed": ("2025-11-21", "")}, (RATE, GUIDER, ASN, WIDE, POOL)),
    "patterns of file names": ({"files": ("*_nrca?_*", "*_pool.csv")}, (RATE, POOL)),
    "patterns keep the case of names": ({"files": ("*_NRCA1_*",)}, ()),
    "exclusions win": (
        {"files": ("*_uncal.fits",), "exclude": ("*_gs-*",)},
        (UNCAL,),
    ),
}


def test_files_of_no_observation_are_selected_as_pools_are():
    """A selection of observations says nothing of them."""
    known = listing(products=(UNCAL, NOTES))

    selected = select_products(known, Selection(program=1345, observations=(2,)))

    assert selected == (NOTES,)


@pytest.mark.parametrize("case", CASES)
def test_selection_keeps_what_meets_every_criterion(case):
    """Products go only where they have the property with another value."""
    criteria, expected = CASES[case]

    selected = select_products(LISTING, Selection(program=1345, **criteria))

    assert selected == expected


@pytest.mark.parametrize(
    ("criteria", "is_wanted"),
    [
        ({"filters": ("F444W",)}, False),
        ({"filters": ("F405N",)}, True),
        ({"filters": ("f405n+F444W",)}, True),
        ({"filters": ("F200W", "F444W + F405N")}, True),
        ({"filters": ("F444W+CLEAR",)}, False),
    ],
)
def test_a_filter_is_the_one_that_is_effective(criteria, is_wanted):
    """F444W only blocks the leaks of F405N, which is in the pupil wheel; pairs are exact."""
    selected = select_products(listing(NARROW), Selection(program=1345, **criteria))

    assert selected == ((NARROW,) if is_wanted else ())


@pytest.mark.parametrize(
    ("kind", "is_wanted"), [("wfscmb", True), ("wfscmb-04", True), ("wfscmb-05", False)]
)
def test_a_suffix_takes_products_with_a_number_too(kind, is_wanted):
    """Products of wavefront sensing are numbered by their activity."""
    wanted = Selection(program=1345, products=(kind,))

    assert bool(select_products(listing(SENSING), wanted)) is is_wanted
    assert bool(unmatched_criteria(listing(SENSING), wanted)) is not is_wanted


def test_a_filter_that_is_only_used_with_a_narrower_one_is_reported_so():
    """The pair that would select these exposures is named."""
    wanted = Selection(program=1345, filters=("F405N", "F444W"))

    assert unmatched_criteria(listing(NARROW), wanted) == ("filters: f444w (only f405n+f444w)",)


OTHER = product("jw01345-c1002_t001_nircam_clear-f200w_i2d.fits", observation="c1002", level=3)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"observations": (1,)}, {UNCAL, POOL}),
        ({"observations": (1,), "candidates": ("c1001",)}, {UNCAL, WIDE, POOL}),
        ({"observations": (1,), "candidates": ("auto",)}, {UNCAL, WIDE, POOL}),
        ({"observations": (2,), "candidates": ("auto", "c1002")}, {RATE, OTHER, WIDE, POOL}),
        ({"observations": (3,), "candidates": ("auto",)}, {OTHER, POOL}),
        ({"observations": (4,), "candidates": ("auto",)}, {POOL}),
        ({"candidates": ("c1002",)}, {OTHER, POOL}),
        ({"candidates": ("auto",)}, {UNCAL, RATE, WIDE, OTHER, POOL}),
    ],
)
def test_candidates_are_selected_by_name_or_by_their_observations(criteria, expected):
    """A candidate combines observations; `auto` takes those that contain a selected one."""
    members = {"c1001": ("o001", "o002"), "c1002": ("o003",)}
    listed = listing(UNCAL, RATE, WIDE, OTHER, POOL, candidates=members)

    selected = select_products(listed, Selection(program=1345, **criteria))

    assert set(selected) == expected


def test_a_candidate_whose_members_are_not_known_counts():
    """So that a part of a listing that could not be read deselects nothing."""
    wanted = Selection(program=1345, observations=(1,), candidates=("auto",))

    assert select_products(listing(OTHER), wanted) == (OTHER,)


def test_a_candidate_that_mast_does_not_list_is_reported():
    """Under its own key."""
    wanted = Selection(program=1345, observations=(1, 9), candidates=("c1009",))

    assert unmatched_criteria(LISTING, wanted) == ("candidates: c1009", "observations: o009")


@pytest.mark.parametrize(
    ("switch", "without"),
    [
        ({}, ()),
        ({"guide_stars": False}, (GUIDER,)),
        ({"previews": False}, (PREVIEW,)),
        ({"auxiliary": False}, (SEGMENTS,)),
        ({"auxiliary": False, "previews": False, "guide_stars": False},
         (SEGMENTS, PREVIEW, GUIDER)),
    ],
)  # fmt: skip
def test_switches_leave_out_what_few_need(switch, without):
    """Guide stars and previews by their names, auxiliary files by CAOM's word."""
    listed = listing(UNCAL, GUIDER, ASN, PREVIEW, SEGMENTS)

    selected = select_products(listed, Selection(program=1345, **switch))

    assert set(selected) == {*listed.products} - {*without}


def test_selection_of_another_program_keeps_nothing():
    """A selection speaks of its own program only."""
    assert select_products(LISTING, Selection(program=1366)) == ()


def test_what_a_selection_names_in_vain_is_told():
    """Values that no product has are named, each with its criterion."""
    wanted = Selection(program=1345, observations=(1, 7), filters=("F200W", "F200X"))

    lacking = unmatched_criteria(LISTING, wanted)

    assert lacking == ("observations: o007", "filters: f200x")


def test_every_kind_of_value_that_is_not_there_is_told():
    """Patterns, levels and exclusions in vain are told like values; what is there is not."""
    wanted = Selection(
        program=1345,
        gratings=("G140H",),
        subarrays=("SUB160", "SUB400P"),
        levels=(1, 4),
        products=("recommended",),
        files=("*_uncal.fits", "*_x1d.fits"),
        exclude=("*_gs-*", "*_thumb.jpg"),
    )

    assert unmatched_criteria(LISTING, wanted) == (
        "gratings: g140h",
        "subarrays: sub400p",
        "levels: 4",
        "files: *_x1d.fits",
        "exclude: *_thumb.jpg",
    )


def test_criteria_that_only_fail_together_are_told():
    """A selection of known values that is empty all the same is told too."""
    wanted = Selection(program=1345, observations=(2,), products=("i2d",))

    (told,) = unmatched_criteria(LISTING, wanted)

    assert "at once" in told


def test_a_selection_that_is_met_tells_nothing():
    """Nothing is reported where every value is met."""
    assert unmatched_criteria(LISTING, Selection(program=1345, filters=("F200W",))) == ()
