"""What of its programs a recipe takes, as a config says it."""

import json

import pytest

from jwmirror.core.errors import ConfigError
from tests.setup.configs import parse

TWO_RATES = {
    "kind": "image2",
    "expname": "jw01345001001_02101_00002_nrcb1_rate.fits",
    "exptype": "science",
}


def config(**recipe: object) -> dict:
    """A config with one recipe."""
    return {"programs": [{"program": 1345}], "recipes": {"part": recipe}}


def association_file(
    folder, name: str, *, kind: str = "image3", product: str = "mine", **second: str
) -> str:
    """An association file of a science member, and a second one if it is given; its path."""
    members = [{"expname": "jw01345001001_02101_00001_nrcb1_cal.fits", "exptype": "science"}]
    members += [second] if second else []
    content = {"asn_type": kind, "asn_id": "a3001", "program": "01345"}
    path = folder / name
    path.write_text(json.dumps(content | {"products": [{"name": product, "members": members}]}))
    return str(path)


def test_a_recipe_may_take_a_part_of_its_programs():
    """In the keys of programs; ranges are spelled out, what is left out selects all."""
    (recipe,) = parse(config(observations=[1, "3-4"], filters=["F200W", "F150W"])).recipes
    (whole,) = parse(config()).recipes

    assert recipe.select == {"observation": ("1", "3", "4"), "filter": ("F200W", "F150W")}
    assert whole.select == {} and whole.associations == ()


def test_own_associations_are_read_before_the_first_job(tmp_path):
    """Files that can be used, and go with each other."""
    names = [
        association_file(tmp_path, "a.json"),
        association_file(tmp_path, "b.json", product="other"),
        association_file(tmp_path, "c.json", kind="spec3", product="other"),
    ]

    (recipe,) = parse(config(associations=names)).recipes

    assert recipe.associations == tuple(names)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([("a.json", {}), ("b.json", {})], "b.json makes mine (image3), and so does"),
        ([("a.json", {"kind": "None"}), ("b.json", {})], "b.json makes mine (image3), and so does"),
        (
            [("a.json", {"kind": "tso-image3"}), ("b.json", {"kind": "None"})],
            "b.json makes mine, and so does",
        ),
        ([("a.json", {"kind": "image4"})], "a.json: it is not an association that can be used"),
        ([("a.json", {}), ("a.json", {})], "a.json makes mine (image3), twice"),
        ([("a.json", {"kind": "None"})] * 2, "a.json makes mine, twice"),
        (
            [
                (
                    "a.json",
                    {"expname": "jw01345001001_02101_00002_nrcb1_cal.fits", "exptype": "scince"},
                )
            ],
            "00002_nrcb1_cal.fits: unknown exptype 'scince'; did you mean 'science'?",
        ),
        ([("a.json", {"product": "jw01345001001_02101_00001_nrcb1"})], "is named as an exposure"),
        ([("a.json", TWO_RATES)], "stage 2 takes the first of several science members only"),
        ([("a.json", {"kind": "image2"})], "science of image2 is _rate.fits or _rateints.fits"),
        ([], "absent.json: No such file or directory"),
    ],
)
def test_own_associations_that_cannot_be_used_are_mistakes(tmp_path, files, told):
    """Two for one product, an unknown type, one of a member or a member that does not fit, none."""
    names = [association_file(tmp_path, name, **changes) for name, changes in files]
    names = names or [str(tmp_path / "absent.json")]

    with pytest.raises(ConfigError) as found:
        parse(config(associations=names))

    assert told in str(found.value)


@pytest.mark.parametrize(
    ("recipes", "told"),
    [
        ({"part": {"stages": [1, 2]}}, "mine.json is for stage 3, which the recipe does not run"),
        ({"part": {"extends": "short"}, "short": {"stages": [1]}}, "is for stage 3, which"),
        ({"part": {"programs": [2]}}, "mine.json is of program 1345, which the recipe does not"),
    ],
)
def test_own_associations_that_the_recipe_leaves_out_are_mistakes(tmp_path, recipes, told):
    """Of a stage or a program that it does not take: they would silently not be made."""
    recipes["part"]["associations"] = [association_file(tmp_path, "mine.json")]
    programs = [{"program": 1345}, {"program": 2}]

    with pytest.raises(ConfigError) as found:
        parse({"programs": programs, "recipes": recipes})

    assert told in str(found.value) and str(found.value).startswith("recipes.part.associations[0]")


def test_a_recipe_may_leave_out_what_it_extends(tmp_path):
    """A shorter variant of a recipe with a mosaic of its own."""
    deep = {"associations": [association_file(tmp_path, "mine.json")]}
    recipes = {"deep": deep, "quick": {"extends": "deep", "stages": [1, 2]}}

    assert parse({"programs": [{"program": 1345}], "recipes": recipes}).recipes


def test_stages_follow_each_other():
    """Stage 3 cannot take what stage 2 was not asked to make of stage 1."""
    with pytest.raises(ConfigError, match=r"recipes\.part\.stages: found \[1, 3\]"):
        parse(config(stages=[1, 3]))


SNR = {"image3": {"source_catalog": {"snr_threshold": 9}}}


def where_mistakes(recipe: dict) -> str:
    """The mistakes in a config with this recipe; "" if it has none."""
    try:
        parse({"programs": [1345], "recipes": {"part": recipe}}, False)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("match", "is_mistake"),
    [
        ({"observation": 1}, False),
        ({"detector": ["NRCB1", "NRCB2"]}, False),
        ({"filter": "F200W"}, False),  # not known by the names of the members
        ({"detector": "NRCB1"}, True),
        ({"observation": 2}, True),
    ],
)
def test_a_block_that_no_own_association_meets_completely_is_a_mistake(tmp_path, match, is_mistake):
    """Program, observation and detector of each member are in its name."""
    members = [f"jw01345001001_02101_00001_nrcb{number}_cal.fits" for number in (1, 2)]
    content = {
        "asn_type": "image3",
        "asn_id": "a3001",
        "program": "01345",
        "products": [
            {
                "name": "jw01345-o001_mine",
                "members": [{"expname": name, "exptype": "science"} for name in members],
            }
        ],
    }
    path = tmp_path / "mine_asn.json"
    path.write_text(json.dumps(content))

    found = where_mistakes(
        {"associations": [str(path)], "where": [{"match": match, "parameters": SNR}]}
    )

    assert ("recipes.part.where[0].match" in found) == is_mistake


@pytest.mark.parametrize(
    ("parameters", "is_mistake"),
    [(SNR, True), ({"detector1": {"jump": {"rejection_threshold": 9}}}, False)],
)
def test_a_block_outside_the_selection_of_its_recipe_is_a_mistake(parameters, is_mistake):
    """Its parameters of stages 2 and 3 would never be used; those of stage 1 are only noted."""
    block = {"match": {"observation": 5}, "parameters": parameters}

    found = where_mistakes({"observations": [1, "2-4"], "where": [block]})

    assert ("no exposure that the recipe selects (observation 1 or 2" in found) == is_mistake
