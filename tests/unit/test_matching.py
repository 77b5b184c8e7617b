"""One rule for criteria: the selection of products, recipes and where-blocks agree."""

from dataclasses import replace

import pytest

from jwmirror.archive.selection import select_products
from jwmirror.core.matching import (
    KEYS,
    criteria_of,
    describe_match,
    matches,
    normalise_value,
    overlap,
)
from jwmirror.core.model import (
    UPSTREAM,
    Entry,
    Listing,
    Product,
    Recipe,
    Selection,
    Where,
    canonical,
)
from jwmirror.pipeline.headers import NAMES, is_selected
from jwmirror.pipeline.parameters.resolution import applies

NAME = "jw01345001001_02101_00001_nrcalong_uncal.fits"
NARROW = {"instrument": "NIRCAM", "filter": "F444W", "pupil": "F405N", "detector": "NRCALONG"}
WIDE = {**NARROW, "pupil": "CLEAR"}
GRISM = {**NARROW, "filter": "F322W2", "pupil": "GRISMR"}
BLOCKED = {**NARROW, "filter": "F322W2", "pupil": "F323N"}
LENS = {**NARROW, "filter": "F212N", "pupil": "WLP8"}
MASK = {**NARROW, "filter": "F335M", "pupil": "MASKRND"}
NIRISS = {"instrument": "NIRISS", "filter": "CLEAR", "pupil": "F150W", "detector": "NIS"}
NIRISS_RED = {**NIRISS, "filter": "F277W", "pupil": "CLEARP"}
NIRISS_GRISM = {**NIRISS, "filter": "GR150R"}
MIRI = {"instrument": "MIRI", "filter": "F770W", "exp_type": "MIR_IMAGE", "subarray": "BRIGHTSKY"}
NIRSPEC = {"instrument": "NIRSPEC", "filter": "F290LP", "grating": "G395H"}
FGS = {"instrument": "FGS", "detector": "GUIDER1"}

CASES = [  # an exposure, what is asked of it, and whether it is so
    (NARROW, {"filters": "F405N"}, True),
    (NARROW, {"filters": "F444W"}, False),
    (NARROW, {"filters": "F444W+F405N"}, True),
    (NARROW, {"filters": "F405N + f444w"}, True),
    (NARROW, {"filters": ["F200W", "F405N+F444W"]}, True),
    (NARROW, {"filters": "F444W+F470N"}, False),
    (NARROW, {"filters": "CLEAR+F444W"}, False),
    (WIDE, {"filters": "F444W"}, True),
    (WIDE, {"filters": "clear+f444w"}, True),
    (WIDE, {"filters": "F405N+F444W"}, False),
    (GRISM, {"filters": "F322W2"}, True),
    (GRISM, {"filters": "GRISMR"}, True),
    (GRISM, {"filters": "F323N"}, False),
    (BLOCKED, {"filters": "F322W2"}, False),
    (BLOCKED, {"filters": "F323N"}, True),
    (LENS, {"filters": "F212N"}, True),
    (MASK, {"filters": "F335M+MASKRND"}, True),
    (MASK, {"filters": "F335M"}, True),
    (NARROW, {"filters": "F200W"}, False),
    (NARROW, {"filters": ["F200W", "F405N"], "detectors": "NRCALONG"}, True),
    (NARROW, {"filters": "F405N", "detectors": "NRCBLONG"}, False),
    (NIRISS, {"filters": "F150W"}, True),
    (NIRISS, {"filters": "F150W", "instruments": "NIRISS"}, True),
    (NIRISS, {"filters": "F277W"}, False),
    (NIRISS, {"filters": "CLEAR"}, True),
    (NIRISS, {"filters": "F150W+CLEAR"}, True),
    (NIRISS_RED, {"filters": "F277W"}, True),
    (NIRISS_RED, {"filters": "CLEARP"}, True),
    (NIRISS_GRISM, {"filters": "F150W"}, True),
    (NIRISS_GRISM, {"filters": ["GR150R"]}, True),
    (NIRISS_GRISM, {"filters": ["GR150C+F150W"]}, False),
    (MIRI, {"filters": "F770W", "exposure_types": "MIR_IMAGE"}, True),
    (MIRI, {"filters": "F560W"}, False),
    (MIRI, {"subarrays": ["FULL", "BRIGHTSKY"]}, True),
    (NIRSPEC, {"filters": "F290LP", "gratings": "G395H"}, True),
    (NIRSPEC, {"gratings": "G395M"}, False),
    (FGS, {"detectors": "GUIDER1"}, True),
    (FGS, {"instruments": "NIRCAM"}, False),
    (MIRI, {"observations": 1}, True),
    (MIRI, {"observations": 2}, False),
]
WRITTEN = {
    "as it is": str,
    "in small letters": str.lower,
    "with white space": lambda value: f" {value} ",
}


def asked(criteria: dict) -> dict[str, tuple]:
    """Criteria with a tuple of values for each key."""
    return {k: tuple(v) if isinstance(v, list) else (v,) for k, v in criteria.items()}


def answers(facts: dict[str, str], criteria: dict) -> dict[str, bool]:
    """What each user of the rule says of an exposure of observation 1."""
    product = Product(
        uri=f"mast:JWST/product/{NAME}",
        filename=NAME,
        program=1345,
        observation="o001",
        suffix="uncal",
        **facts,
    )
    header = {"meta.observation.observation_number": "001"}
    header = canonical(header | {NAMES[key]: value for key, value in facts.items()})
    entry = Entry(
        path=NAME, origin=UPSTREAM, sha256="0" * 64, size=1, product=product, header=header
    )
    match = {KEYS[key]: tuple(map(str, values)) for key, values in asked(criteria).items()}
    listing = Listing(program=1345, asked_at="2026-01-05T00:00:00", products=(product,))
    by_header = Recipe(name="deep", programs=(1345,), select=match)
    return {
        "selection": bool(select_products(listing, Selection(program=1345, **asked(criteria)))),
        "recipe": is_selected(by_header, entry),
        "recipe, by listing": is_selected(by_header, replace(entry, header="")),
        "where": applies(Where(match=match, parameters={}), header),
    }


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize(("facts", "criteria", "expected"), CASES)
def test_selection_recipes_and_where_blocks_agree(facts, criteria, expected, written):
    """Case and white space do not matter, and a filter may be in either wheel."""
    facts = {key: WRITTEN[written](value) for key, value in facts.items()}

    found = answers(facts, criteria)

    assert set(found.values()) == {expected}, found


@pytest.mark.parametrize("criteria", [{"gratings": "G395H"}, {"filters": "F200W"}])
def test_only_the_selection_keeps_what_has_no_such_property(criteria):
    """A guide-star exposure has no filter: it is mirrored, but no recipe asks for it by one."""
    found = answers(FGS, criteria)

    assert found.pop("selection") and not any(found.values())


def test_an_empty_value_means_that_no_wheel_has_a_filter():
    """MIRI has no pupil wheel; its exposures have a filter all the same."""
    assert not answers(MIRI, {"filters": ""})["where"]
    assert answers(FGS, {"filters": ""})["where"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"filter": "F444W+F405N"}, {"filter": "F405N"}),
        ({"filter": "F444W", "pupil": "F405N"}, {"filter": "F405N"}),
        ({"filter": "F444W", "pupil": "F405N"}, {"filter": "f405n+f444w"}),
        ({"filter": "F356W+F405N"}, {"pupil": "F405N"}),
        ({"filter": "f405n "}, {"pupil": "F405N"}),
        ({"filter": "F150W2"}, {"filter": ["F150W2", "F162M"]}),
        ({"filter": "F444W+GRISMR"}, {"filter": "F444W"}),
        ({"filter": "GR150R"}, {"filter": "F200W"}),
        ({"filter": "F200W"}, {"pupil": "CLEAR"}),
        ({"filter": "F770W"}, {"instrument": "MIRI"}),
        ({"filter": "F444W"}, {"filter": "GRISMR"}),
    ],
)
def test_criteria_that_one_exposure_can_meet_overlap(one, other):
    """A pair is met by what meets its narrow filter; with `pupil`, `filter` is the other wheel."""
    assert overlap(criteria_of(one), criteria_of(other))
    assert overlap(criteria_of(other), criteria_of(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"filter": "F200W"}, {"filter": "F444W"}),
        ({"filter": "F444W"}, {"filter": "F405N"}),
        ({"filter": "F444W"}, {"pupil": "F405N"}),
        ({"filter": "F444W+F405N"}, {"filter": "F444W"}),
        ({"filter": "F444W+F405N"}, {"filter": "F470N"}),
        ({"filter": "F150W2"}, {"filter": ["F200W", "F162M"]}),
        ({"filter": "F480M"}, {"filter": "F405N"}),
        ({"filter": "F444W", "pupil": "CLEAR"}, {"filter": "F405N"}),
        ({"filter": "F200W"}, {"pupil": "F405N"}),
        ({"filter": "F170LP"}, {"filter": "CLEAR"}),
        ({"filter": "F560W"}, {"filter": "F770W"}),
        ({"filter": "F200W"}, {"filter": ""}),
        ({"detector": "NRS1"}, {"instrument": "NIRCAM"}),
        ({"detector": "GUIDER1"}, {"detector": "GUIDER2"}),
        ({"grating": "G395H"}, {"grating": "G395M"}),
    ],
)
def test_criteria_that_no_exposure_can_meet_together_do_not_overlap(one, other):
    """Filters of one wheel, or two that are not used together, and other instruments."""
    assert not overlap(criteria_of(one), criteria_of(other))
    assert not overlap(criteria_of(other), criteria_of(one))


@pytest.mark.parametrize("value", ["XYZ", ["NRCA1", "XYZ"]])
@pytest.mark.parametrize("other", [{"instrument": "MIRI"}, {"detector": "XYZ"}])
def test_a_value_of_an_unknown_instrument_may_be_of_any(value, other):
    """Known beside unknown: it is no error here, and the two may overlap."""
    assert overlap(criteria_of({"detector": value}), criteria_of(other))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"instrument": ["NIRCAM", "MIRI"]}, {"detector": "MIRIMAGE"}, True),
        ({"instrument": ["NIRCAM", "NIRSPEC"]}, {"detector": "MIRIMAGE"}, False),
        ({"exp_type": "FGS_IMAGE"}, {"detector": "GUIDER1"}, True),
        ({"exp_type": "NIS_IMAGE"}, {"detector": "NIS"}, True),
        ({"exp_type": "NRS_MSASPEC", "detector": "NRS1"}, {"instrument": "NIRSPEC"}, True),
        ({"exp_type": "NRS_MSASPEC"}, {"exp_type": ["NRS_MSASPEC", "MIR_MRS"]}, True),
    ],
)
def test_instruments_are_known_by_detector_and_type(one, other, expected):
    """One instrument must have all that both ask for."""
    assert bool(overlap(criteria_of(one), criteria_of(other))) is expected


def test_an_overlap_has_the_values_that_both_allow():
    """By key; what only one asks for stays."""
    one = criteria_of({"detector": ["NRCA1", "NRCA2"], "grating": "x"})
    other = criteria_of({"detector": ["NRCA2", "NRCA3"], "subarray": "FULL"})

    shared = overlap(one, other)

    assert {key: set(values) for key, values in shared.values.items()} == {
        "detector": {"NRCA2"},
        "grating": {"X"},
        "subarray": {"FULL"},
    }
    assert shared.is_within(criteria_of({"detector": ["NRCA2", "NRCA9"]}))
    assert not shared.is_within(criteria_of({"detector": "NRCA1"}))
    assert not shared.is_within(criteria_of({"band": "x"}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("01345", "1345"), (7, "7"), (" f200w ", "F200W"), (None, ""), ("1_0", "1_0"), ("", ""),
     (" f444w +F405N", "F405N+F444W"), ("+", "+")],
)  # fmt: skip
def test_values_are_compared_without_case_blanks_and_leading_zeros(value, expected):
    """As configs and headers write them."""
    assert normalise_value(value) == expected


def test_a_match_is_told_in_words():
    """As in messages and reports."""
    match = {"detector": ["NRCA1", "NRCA2"], "filter": ("F200W",), "observation": 5}

    assert describe_match(match) == "detector NRCA1 or NRCA2, filter F200W, observation 5"


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"filter": "F444W", "pupil": "F405N"}, True),
        ({"filter": ["F405N", "F200W"]}, True),
        ({"filter": "F444W"}, False),
        ({"filter": "F444W", "pupil": "CLEAR"}, False),
        ({"filter": "F405N", "detector": "NRCALONG"}, False),
    ],
)
def test_an_overlap_is_within_what_all_its_exposures_meet(criteria, expected):
    """Exposures with F444W and F405N have the one in the filter wheel, the other as pupil."""
    shared = overlap(criteria_of({"filter": "F444W+F405N"}), criteria_of({"filter": "F405N"}))

    assert shared.is_within(criteria_of(criteria)) is expected


@pytest.mark.parametrize(
    ("detector", "exp_type", "instrument"),
    [
        ("NRCA1", "NRC_IMAGE", "NIRCAM"),
        ("NRS1", "NRS_IFU", "NIRSPEC"),
        ("NIS", "NIS_SOSS", "NIRISS"),
        ("MIRIMAGE", "MIR_MRS", "MIRI"),
        ("GUIDER1", "FGS_IMAGE", "FGS"),
    ],
)
def test_detectors_and_types_are_of_one_instrument(detector, exp_type, instrument):
    """Each of the five; with the others they have no exposure in common."""
    names = ("NIRCAM", "NIRSPEC", "NIRISS", "MIRI", "FGS")

    for part in ({"detector": detector}, {"exp_type": exp_type}):
        met = [n for n in names if overlap(criteria_of(part), criteria_of({"instrument": n}))]
        assert met == [instrument]


@pytest.mark.parametrize(
    ("one", "other", "wheels"),
    [
        ({"detector": "X"}, {}, [("", "")]),
        ({"filter": "F200W"}, {}, [("", "F200W"), ("F200W", "")]),
        ({"filter": "F770W"}, {}, [("F770W", "")]),
        ({"pupil": "CLEAR"}, {}, [("", "CLEAR")]),
        ({"filter": "F444W"}, {"filter": "F405N"}, None),
        ({"filter": "F444W+F405N"}, {"filter": "F405N"}, [("F444W", "F405N")]),
        ({"filter": "F356W+F405N"}, {}, [("F356W", "F405N")]),
        ({"filter": "F444W"}, {"pupil": "CLEAR"}, [("F444W", "CLEAR")]),
        ({"filter": "F444W"}, {"pupil": "F323N"}, None),
        ({"pupil": "CLEAR"}, {"pupil": "F405N"}, None),
        ({"filter": ""}, {}, [("", "")]),
    ],
)
def test_an_overlap_has_the_contents_of_the_wheels(one, other, wheels):
    """Named elements, and "" for any other; only those that are used together."""
    shared = overlap(criteria_of(one), criteria_of(other))

    found = shared and [(each["filter"], each["pupil"]) for each in shared.wheels]
    assert found == wheels


@pytest.mark.parametrize(
    ("pupil", "filters"),
    [
        ("F162M", "F150W2"), ("F164N", "F150W2"), ("F323N", "F322W2"), ("F405N", "F444W"),
        ("F466N", "F444W"), ("F470N", "F444W"),
    ],
)  # fmt: skip
def test_a_narrow_filter_has_one_partner(pupil, filters):
    """Of the wide ones of NIRCam's filter wheel."""
    narrow, wide = criteria_of({"filter": pupil}), ("F150W2", "F322W2", "F444W", "F480M")

    partners = [
        each for each in wide if overlap(narrow, criteria_of({"filter": each, "pupil": pupil}))
    ]

    assert partners == [filters]


def test_a_key_of_one_side_only_must_be_met_by_all():
    """What the overlap does not say may be anything."""
    shared = overlap(criteria_of({"detector": "NRCA1"}), criteria_of({"grating": "X"}))

    assert shared.is_within(criteria_of({"detector": ["NRCA1", "NRCA2"], "grating": "x"}))
    assert shared.is_within({})
    assert not shared.is_within(criteria_of({"detector": "NRCA1", "subarray": "FULL"}))
    assert not shared.is_within(criteria_of({"detector": "NRCA1", "filter": "F200W"}))


@pytest.mark.parametrize(
    ("wanted", "value", "if_unknown", "expected"),
    [
        (["F200W"], "f200w", False, True),
        (["F200W", "F150W"], "F150W", False, True),
        (["F200W"], "F150W", True, False),
        (["F200W"], None, True, True),
        (["F200W"], "", False, False),
        ([""], None, False, True),
        ([""], "F200W", True, False),
        (["01345"], 1345, False, True),
    ],
)
def test_a_value_that_is_unknown_is_met_only_if_that_is_asked_for(
    wanted, value, if_unknown, expected
):
    """By default only the empty value is."""
    criteria = criteria_of({"grating": wanted})

    assert matches(criteria, {"grating": value}.get, if_unknown=if_unknown) is expected
    assert matches({}, {}.get)
