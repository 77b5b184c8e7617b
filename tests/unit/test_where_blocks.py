"""Where-blocks of a config: their form, contradictions, and those that can meet nothing."""

import pytest

from jwmirror.config.recipes.where_blocks import (
    Block,
    blocks_of,
    contradiction_mistakes,
    useless_block_mistakes,
)
from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Where
from jwmirror.pipeline.parameters.vocabulary import match_mistakes
from tests.setup.configs import parse
from tests.setup.records import association

MEMBERS = [f"jw01345001001_02101_00001_nrcb{n}_cal.fits" for n in (1, 2)]
MINE = association("image3", "jw01345-o001_mine", *MEMBERS)
SNR = {"image3": {"source_catalog": {"snr_threshold": 9}}}


def block(parameters: dict, place: str = "recipes.deep.where[0]", **match: object) -> Block:
    """A block of a config."""
    return Block(place, match, parameters)


def test_blocks_have_their_place_and_malformed_ones_are_left_out():
    """The schema reports these; the places of the others stay."""
    good = {"match": {"filter": "F200W"}, "parameters": SNR}
    where = [5, {"match": {}}, {"parameters": {}}, {**good, "match": 5}, {**good, "parameters": 5},
             good]  # fmt: skip

    assert blocks_of("recipes.deep", where) == [
        Block("recipes.deep.where[5]", good["match"], good["parameters"])
    ]
    assert blocks_of("recipes.deep", None) == blocks_of("recipes.deep", {"match": good}) == []


def test_a_record_has_texts_and_the_normal_form():
    """Numbers and lists of a config as they are compared."""
    written = block({"Image3Pipeline": {"a": {"x": 1}}}, observation=5, detector=["NRCA1", 7])

    assert written.record == Where(
        match={"observation": "5", "detector": ("NRCA1", "7")},
        parameters={"image3": {"steps": {"a": {"x": 1}}}},
    )


def pair(one: dict, other: dict, *more: Block, there: str = "deep") -> list[str]:
    """The contradictions of two blocks that set image2.a.x and image2.y to 1 and 2."""
    blocks = [
        block({"image2": {"a": {"x": n}, "y": n}}, f"recipes.{name}.where[{n}]", **match)
        for n, name, match in ((1, "deep", one), (2, there, other))
    ]
    return contradiction_mistakes([*blocks, *more])


ADD = "add a key to the match of the one that should win"


def test_each_contradiction_names_both_places_the_parameter_and_the_values():
    """The recipe of the second block only if it is another one; sorted by parameter."""
    same = pair({"filter": "F200W"}, {"detector": "NRCA1"})
    other = pair({"filter": "F200W"}, {"detector": "NRCA1"}, there="base")

    places = "recipes.deep.where[1] and where[2]"
    assert same == [
        f"{places}: equally specific and both set image2.y (1, 2); {ADD}",
        f"{places}: equally specific and both set image2.a.x (1, 2); {ADD}",
    ]
    assert other[0].startswith("recipes.deep.where[1] and recipes.base.where[2]: equally")


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ({"filter": "F200W"}, {"filter": "F200W"}, 2),
        ({"filter": "F200W"}, {"filter": "F200W", "detector": "NRCA1"}, 0),
        ({"filter": "F200W", "detector": "NRCA1"}, {"filter": "F200W"}, 0),
        ({"detector": "NRCA2"}, {"detector": "NRCA1"}, 0),
    ],
)
def test_only_equally_specific_blocks_that_can_meet_contradict_each_other(one, other, count):
    """For each parameter that both set."""
    assert len(pair(one, other)) == count


def test_blocks_that_agree_or_set_other_parameters_do_not_contradict():
    """In whichever form they are written."""
    written = [
        {"image2": {"a": {"x": 1}}},
        {"Image2Pipeline": {"steps": {"a": {"x": 1}}}},
        {"image2": {"a": {"z": 2}}},
        {"image3": {"a": {"x": 2}}},
    ]

    assert contradiction_mistakes([block(each, filter="F200W") for each in written]) == []


@pytest.mark.parametrize(
    ("match", "parameters", "count"),
    [
        ({"filter": "F200W", "detector": "NRCA1"}, {"a": {"x": 3}, "y": 3}, 0),
        ({"filter": "F200W", "detector": "NRCA1"}, {"y": 3}, 1),
        ({"filter": "F200W", "detector": ["NRCA1", "NRCA2"]}, {"a": {"x": 3}, "y": 3}, 0),
        ({"filter": "F200W", "detector": "NRCA2"}, {"a": {"x": 3}, "y": 3}, 2),
        ({"filter": "F200W"}, {"z": 3}, 2),
    ],
)
def test_a_block_with_more_keys_decides_what_it_sets(match, parameters, count):
    """If it meets all exposures that both meet; one with as many keys decides nothing."""
    judge = block({"image2": parameters}, "recipes.deep.where[3]", **match)

    assert len(pair({"filter": "F200W"}, {"detector": "NRCA1"}, judge)) == count


def test_any_of_several_blocks_with_more_keys_may_decide():
    """Each parameter for itself."""
    judges = [
        block({"image2": parameters}, filter="F200W", detector="NRCA1")
        for parameters in ({"a": {"x": 3}}, {"y": 3})
    ]

    assert pair({"filter": "F200W"}, {"detector": "NRCA1"}, *judges) == []


def useless(parameters: dict, match: dict, select: dict | None = None, *own) -> list[str]:
    """The mistakes of one block."""
    return [*useless_block_mistakes([block(parameters, **match)], select or {}, own)]


OUTSIDE = (
    "recipes.deep.where[0].match: no exposure that the recipe selects (detector NRCB1) meets "
    "detector NRCA1; correct one of them"
)
NEVER = (
    "recipes.deep.where[0].match: detector NRCB1 meets all science members of none of the recipe's "
    "associations of stage 3, so its parameters would not be used; match what all members of one "
    "have, or remove these parameters"
)


@pytest.mark.parametrize(
    ("parameters", "detector", "expected"),
    [
        (SNR, "NRCA1", [OUTSIDE]),
        ({"image2": {}}, "NRCA1", []),
        ({"image2": {"y": 1}}, "NRCA1", [OUTSIDE]),
        ({"detector1": {"x": 1}}, "NRCA1", []),
        ({"nonsense": {"x": 1}}, "NRCA1", []),
        (SNR, "NRCB1", []),
    ],
)
def test_a_block_must_meet_what_the_recipe_selects(parameters, detector, expected):
    """If it sets parameters of stage 2 or 3."""
    assert useless(parameters, {"detector": detector}, {"detector": "NRCB1"}) == expected
    assert useless(parameters, {"detector": detector}) == []


@pytest.mark.parametrize(
    ("match", "own", "is_useless"),
    [
        ({"detector": "NRCB1"}, [MINE], True),
        ({"detector": "NRCB1"}, [], False),
        ({"detector": ["NRCB1", "NRCB2"]}, [MINE], False),
        ({"detector": "NRCB1"}, [MINE, association("image3", "b", MEMBERS[0])], False),
        ({"detector": "NRCB1"}, [association("image2", "b", MEMBERS[1])], False),
        ({"detector": "NRCB1"}, [association("spec3", "b", MEMBERS[0])], True),
        ({"detector": "NRCB1"}, [association("image3", "b", "star_cal.fits")], False),
        ({"observation": 1, "program": 1345}, [MINE], False),
        ({"observation": 2}, [MINE], True),
        ({"program": 1346}, [MINE], True),
        ({"filter": "F200W"}, [MINE], False),
    ],
)
def test_a_block_must_meet_one_association_of_the_user_completely(match, own, is_useless):
    """As far as the names of the members tell; only of its own pipelines."""
    assert bool(useless(SNR, match, None, *own)) is is_useless


def test_without_a_selection_nothing_is_said_about_one():
    """Also of a block that no exposure at all can meet."""
    assert useless(SNR, {"filter": "F480M", "pupil": "F405N"}) == []


def test_a_block_is_told_once_for_each_stage_that_it_is_useless_in():
    """In order; background members do not count."""
    second = association("image2", "a", "jw01345002001_02101_00001_nrcb2_rate.fits")
    third = association("image3", "b", MEMBERS[1], f"background:{MEMBERS[0]}")
    both = {**SNR, "image2": {"photom": {"skip": True}}, "detector1": {"jump": {"skip": True}}}

    found = useless(both, {"detector": "NRCB1"}, None, third, second)

    assert found == [NEVER.replace("stage 3", "stage 2"), NEVER]


@pytest.mark.parametrize(
    ("match", "both"),
    [
        (
            {"file": "jw01346003001_02101_00004_mirimage*", "detector": "NRCA1"},
            "file jw01346003001_02101_00004_mirimage* and detector NRCA1",
        ),
        ({"file": "jw01346*", "program": 1345}, "file jw01346* and program 1345"),
        ({"file": "*_00004_mirim*", "exposure": [2, 3]}, "file *_00004_mirim* and exposure 2 or 3"),
    ],
)
def test_criteria_that_no_exposure_meets_together_are_a_mistake(match, both):
    """In a block and in `exclude`; the two that exclude each other are named."""
    blocks = [{"match": {"filter": "F770W", **match}, "parameters": SNR}]
    recipe = {"where": blocks, "exclude": [{**match, "because": "lost"}]}

    with pytest.raises(ConfigError) as caught:
        parse({"programs": [{"program": 1345}], "recipes": {"deep": recipe}})

    why = f"no exposure meets both {both}; correct or remove one of them"
    places = ("recipes.deep.exclude[0]", "recipes.deep.where[0].match")
    assert caught.value.mistakes == [f"{place}: {why}" for place in places]


@pytest.mark.parametrize(
    "match",
    [
        {"file": ["jw01346003001_02101_00004_mirimage*", "*_nrca1_*"], "detector": "NRCA1"},
        {"file": "*_nrcalong*", "instrument": "NIRCAM", "filter": "F444W", "pupil": "FLAT"},
        {"detector": "NIS", "exp_type": "NIS_WFSS", "filter": "GR150C", "pupil": "F200W"},
        {"program": 1346, "observation": 3, "visit": 1, "file": "jw01346003001*"},
        {},
    ],
)
def test_criteria_that_an_exposure_can_meet_are_none(match):
    """One of several values is enough; wheels are not judged."""
    assert [*match_mistakes(match, "recipes.deep.where[0].match")] == []
