"""Recipes: laid over each other, set from the command line, matched by header, tied or not."""

import pytest

from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Exclusion, Recipe, canonical
from jwmirror.pipeline.headers import NAMES
from jwmirror.pipeline.parameters.resolution import effective_parameters
from jwmirror.services.configure.checked_config import load_checked_config as load
from tests.setup.configs import parse

VALUES = {  # of an exposure's header, by key of a where-block
    "program": "01345",
    "observation": "002",
    "instrument": "NIRCAM",
    "detector": "NRCALONG",
    "filter": "F444W",
    "pupil": "CLEAR",
    "grating": "N/A",
    "exp_type": "NRC_IMAGE",
    "subarray": "SUB160",
    "readpatt": "RAPID",
    "visit": "001",
    "exposure": "00001",
    "file": "jw01345002001_02101_00001_nrcalong_uncal.fits",
}
HEADER = canonical({NAMES[key]: value for key, value in VALUES.items()})


def jump(value: object) -> dict:
    """Parameters that set the jump threshold."""
    return {"detector1": {"jump": {"rejection_threshold": value}}}


def block(value: object, **match: object) -> dict:
    """A where-block that sets the jump threshold."""
    return {"match": match, "parameters": jump(value)}


def made(name: str = "deep", settings: object = (), **recipes: object) -> Recipe:
    """One of the recipes of a config."""
    raw = {"programs": [{"program": 1345}], "recipes": recipes, "set": settings or []}
    return {each.name: each for each in parse(raw, False).recipes}[name]


def threshold(recipe: Recipe) -> object:
    """The jump threshold that a recipe says for HEADER."""
    return effective_parameters(recipe, HEADER)["detector1"]["steps"]["jump"]["rejection_threshold"]


def mistakes(settings: object = (), check_steps: bool = False, **recipes: object) -> list[str]:
    """What is wrong with a config of these recipes."""
    raw = {"programs": [{"program": 1345}], "recipes": recipes, "set": settings or []}
    with pytest.raises(ConfigError) as caught:
        parse(raw, check_steps)
    return caught.value.mistakes


# ---- set -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        "deep.detector1.jump.rejection_threshold=9",
        "deep.calwebb_detector1.steps.jump.rejection_threshold=9",
        "recipe.detector1.jump.rejection_threshold=9",
        ["deep.detector1.jump.skip=true", "deep.detector1.jump.rejection_threshold=9"],
    ],
)
def test_a_setting_is_above_all_that_the_recipe_says(setting):
    """Above where-blocks too, and above those that contradict each other."""
    tied = [block(6, detector="NRCALONG"), block(7, filter="F444W"), block(8, observation=1)]

    recipe = made(settings=setting, deep={"parameters": jump(5), "where": tied[:1]})

    assert threshold(recipe) == 9


def test_a_setting_is_of_one_recipe_alone():
    """Another that extends it keeps its own; the word `recipe` means all."""
    recipes = {"deep": {"parameters": jump(5)}, "quick": {"extends": "deep"}}
    path = "detector1.jump.rejection_threshold"

    of_deep = made("quick", f"deep.{path}=9", **recipes)
    of_all = made("quick", f"recipe.{path}=9", **recipes)

    assert (threshold(of_deep), threshold(of_all)) == (5, 9)


def test_values_are_read_as_yaml():
    """Lists, nothing, text with = in it."""
    settings = [
        "deep.detector1.jump.post_hooks=[fixes.scale, fixes.shift]",
        "deep.detector1.ramp_fit.firstgroup=null",
        "deep.image3.tweakreg.abs_refcat=a=b.ecsv",
    ]

    said = effective_parameters(made(settings=settings, deep={}), HEADER)

    assert said["detector1"]["steps"]["jump"]["post_hooks"] == ["fixes.scale", "fixes.shift"]
    assert said["detector1"]["steps"]["ramp_fit"]["firstgroup"] is None
    assert said["image3"]["steps"]["tweakreg"]["abs_refcat"] == "a=b.ecsv"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("dep.detector1.jump.skip=1", "unknown recipe 'dep'; did you mean 'deep'?"),
        ("deep.detector1.jump.skip", "expected RECIPE.PIPELINE.STEP.PARAMETER=VALUE"),
        ("[deep.detector1.jump.post_hooks=[a.b]]", "quote each one that contains [ ] or ,"),
        ("deep.skip=1", "expected RECIPE.PIPELINE.STEP.PARAMETER=VALUE"),
        ("deep.detector1.jump.skip=[1", "expected a value in YAML"),
        ("deep.detector1.jmup.skip=1", "set deep.detector1.jmup: unknown step 'jmup'"),
        ("recipe.detector1.jump.skp=1", "set recipe.detector1.jump.skp: unknown parameter"),
    ],
)
def test_a_wrong_setting_is_told_as_the_config_is(setting, told):
    """The place, what was meant, what is allowed."""
    (line,) = mistakes([setting], check_steps=True, deep={})

    assert line.startswith("set ") and told in line


def test_settings_of_the_command_line_come_after_the_files(tmp_path):
    """`jwmirror check --set` above `set:` in the file."""
    config = tmp_path / "config.yaml"
    path = "deep.detector1.jump.rejection_threshold"
    config.write_text(f"programs: [{{program: 1}}]\nrecipes: {{deep: {{}}}}\nset: {path}=8\n")

    plain, set_anew = load(config), load(config, [f"{path}=9.5"])

    assert [threshold(each.recipes[0]) for each in (plain, set_anew)] == [8, 9.5]


# ---- where -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", VALUES)
def test_each_key_matches_its_header_value_alone_or_in_a_list(key):
    """All ten, by one value or several, in any case; another value does not match."""
    value = VALUES[key].lower()
    right, wrong = (int(value), 77) if value.isdecimal() else (value, "other")

    for match in (right, [wrong, right]):
        assert threshold(made(deep={"where": [block(6, **{key: match})]})) == 6
    assert effective_parameters(made(deep={"where": [block(6, **{key: [wrong]})]}), HEADER) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"detector": "NRCALONG"}, {"filter": "F444W"}),
        ({"detector": "nrcalong"}, {"detector": ["NRCA1", "NRCALONG"]}),
        ({"program": 1345, "filter": "F444W"}, {"filter": "F444W", "pupil": "CLEAR"}),
        ({"detector": "NRCALONG"}, {"exp_type": "NRC_IMAGE"}),
    ],
)
def test_blocks_that_can_meet_must_agree(one, other):
    """Equally specific, overlapping, in conflict: told before anything runs, however written."""
    there = {"calwebb_detector1": {"steps": {"jump": {"rejection_threshold": 7}}}}
    where = [block(6, **one), {"match": other, "parameters": there}]

    (line,) = mistakes(deep={"where": where})

    assert line.startswith("recipes.deep.where[0] and where[1]: equally specific and both set")
    assert "detector1.jump.rejection_threshold (6, 7)" in line


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"detector": ["NRCA1", "NRCA2"]}, {"detector": ["NRCA3", "NRCA4"]}),
        ({"detector": "NRCALONG"}, {"instrument": "MIRI"}),
        ({"detector": ["NRS1", "NRS2"]}, {"exp_type": "NRC_IMAGE"}),
        ({"detector": "GUIDER1"}, {"instrument": ["MIRI", "NIRISS"]}),
        ({"detector": "NRCALONG"}, {"detector": "NRCALONG", "filter": "F444W"}),
        ({"detector": "NRCALONG", "filter": "F444W"}, {"detector": "NRCALONG"}),
    ],
)
def test_blocks_that_cannot_meet_or_differ_in_rank_may_differ(one, other):
    """No exposure is of two detectors, nor of a detector of another instrument."""
    assert made(deep={"where": [block(6, **one), block(7, **other)]}).where


def test_a_third_block_may_decide():
    """One with more keys, that matches all exposures that both match."""
    tie = [block(6, detector="NRCALONG"), block(7, filter="F444W")]
    judge = block(8, detector=["NRCALONG", "NRCBLONG"], filter="F444W")
    half = block(8, detector="NRCALONG", filter="F444W", pupil="CLEAR")

    assert threshold(made(deep={"where": [*tie, judge]})) == 8
    assert mistakes(deep={"where": [*tie, half]})


@pytest.mark.parametrize(
    ("recipe", "place", "told"),
    [
        ({"where": [block(6, detector="NRCLONG")]}, "where[0].match.detector", "NRCALONG"),
        ({"where": [block(6, filter=["F200W", "F20W"])]}, "where[0].match.filter", "'F20W'"),
        ({"where": [block(6, exp_type="NRC_IMG")]}, "where[0].match.exp_type", "NRC_IMAGE"),
        (
            {"where": [block(6, instrument="nircam2")]},
            "where[0].match.instrument",
            "did you mean 'NIRCAM'? allowed are FGS, MIRI, N",
        ),
        (
            {"filters": ["F150X"]},
            "filters",
            "unknown filter or pupil 'F150X'; did you mean 'F150W'",
        ),
        ({"where": [block(6, filter="F2O0W")]}, "where[0].match.filter", "did you mean 'F200W'"),
        ({"detectors": ["ANY"]}, "detectors", "unknown detector 'ANY'"),
        ({"detectors": ["NRCLONG"]}, "detectors", "NRCALONG"),
    ],
)
def test_what_no_exposure_can_be_is_a_mistake(recipe, place, told):
    """A misspelt value would match nothing, and the parameters would silently not be applied."""
    (line,) = mistakes(check_steps=True, deep=recipe)

    assert line.startswith(f"recipes.deep.{place}: unknown ") and told in line


def test_each_value_that_headers_may_have_is_right():
    """In any case; of programs and subarrays there may be others than anybody lists."""
    match = {key: v.lower() for key, v in VALUES.items()} | {"program": 9999, "observation": 2}
    match |= {"subarray": "SUBNOVEL", "file": VALUES["file"].replace("01345", "09999")}
    blocks = [block(6, **match), block(5, filter="F405N"), block(4, filter="")]
    deep = {"where": blocks, "filters": ["F150W", "CLEARP"]}

    assert parse({"programs": [{"program": 1}], "recipes": {"deep": deep}}).recipes


# ---- extends ---------------------------------------------------------------------------------


def test_a_block_of_equal_match_is_laid_over_the_extended_one():
    """What quick says of F444W wins over what deep says of it; the rest of deep's stays."""
    deep = {"where": [block(6, filter="F444W")]}
    deep["where"][0]["parameters"]["image3"] = {"tweakreg": {"skip": True}}
    quick = {"extends": "deep", "where": [block(7, filter="f444w")]}

    recipe = made("quick", deep=deep, quick=quick)

    assert threshold(recipe) == 7
    assert effective_parameters(recipe, HEADER)["image3"]["steps"]["tweakreg"] == {"skip": True}


def test_a_tie_with_an_extended_block_is_told_with_its_place():
    """The other block stands in another recipe."""
    deep = {"where": [block(6, filter="F444W")]}
    quick = {"extends": "deep", "where": [block(7, detector="NRCALONG")]}

    (line,) = mistakes(deep=deep, quick=quick)

    assert line.startswith("recipes.deep.where[0] and recipes.quick.where[0]: equally specific")


def test_forms_of_writing_do_not_hide_each_other():
    """A notebook's form below and the config's form above are one parameter."""
    deep = {"parameters": {"Detector1Pipeline": {"steps": jump(5)["detector1"]}}}

    assert (
        threshold(made("quick", deep=deep, quick={"extends": "deep", "parameters": jump(7)})) == 7
    )


@pytest.mark.parametrize(
    "pasted",
    [
        {"detector1": {"steps": {"jump": {"rejection_threshold": 5}, "ipc": {"skip": True}}}},
        {"calwebb_detector1": {"jump": {"rejection_threshold": 5}, "ipc": {"skip": True}}},
        {
            "Detector1Pipeline": {
                "save_calibrated_ramp": False,
                "save_results": True,
                "steps": {"jump": {"rejection_threshold": 5}},
                "ipc": {"skip": True},
            }
        },
        {"detector1": {"ipc": {"skip": True}, "steps": {"ipc": {}, **jump(5)["detector1"]}}},
    ],
)
def test_the_steps_of_a_notebook_paste_in(pasted):
    """`Detector1Pipeline.call(..., steps=...)`, `run_detector1(parameters=...)`, and mixtures."""
    raw = {"programs": [{"program": 1345}], "recipes": {"deep": {"parameters": pasted}}}

    (recipe,) = parse(raw).recipes

    assert threshold(recipe) == 5
    assert effective_parameters(recipe, HEADER)["detector1"]["steps"]["ipc"] == {"skip": True}


# ---- exclude ---------------------------------------------------------------------------------

WILD = "jw01345002001_02101_0000[1-3]_*"
LOST = {"file": WILD, "because": "guide star lost"}


def test_exclusions_are_added_to_those_of_the_extended_recipe():
    """In order; an empty list takes them back."""
    more = {"visit": [1, 2], "because": "star in the slit"}
    recipes = {
        "base": {"exclude": [LOST]},
        "deep": {"extends": "base"},
        "more": {"extends": "base", "exclude": [more]},
        "none": {"extends": "base", "exclude": []},
    }

    found = {name: made(name, **recipes).exclude for name in recipes}

    lost = Exclusion(match={"file": WILD}, because="guide star lost")
    assert found["base"] == found["deep"] == (lost,)
    assert found["more"] == (
        lost,
        Exclusion(match={"visit": ("1", "2")}, because="star in the slit"),
    )
    assert found["none"] == ()


@pytest.mark.parametrize(
    ("item", "mistake"),
    [
        ({"file": WILD}, "recipes.deep.exclude[0]: missing key because"),
        ({"because": "x"}, "recipes.deep.exclude[0]: it names no exposures"),
        ({"file": WILD, "because": " "}, "a reason in words"),
        ({"filter": "F200W", "because": "x"}, "unknown key"),
        (
            {"file": "jw01345-o001_t001_*", "because": "x"},
            "recipes.deep.exclude[0].file: found 'jw01345-o001_t001_*', which no exposure's file",
        ),
        ({"detector": "NRCA9", "because": "x"}, "recipes.deep.exclude[0].detector"),
    ],
)
def test_an_exclusion_needs_a_reason_and_an_exposure_that_can_meet_it(item, mistake):
    """With the place in the config."""
    (found,) = mistakes(deep={"exclude": [item]}, check_steps=True)

    assert mistake in found


# ---- by name ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"file": "jw01345002001_02101_00001*"}, 7.0),
        ({"file": "jw01345002001_02101_00001_nrcalong_rate.fits"}, 7.0),
        ({"file": "jw01345002001_02101_00002*"}, 5.0),
        ({"visit": 1, "exposure": 1}, 7.0),
        ({"exposure": 2}, 5.0),
    ],
)
def test_a_block_may_be_for_one_exposure(match, expected):
    """By the name of one of its files, and the numbers of visit and exposure."""
    recipe = made(deep={"parameters": jump(5.0), "where": [block(7.0, **match)]})

    assert threshold(recipe) == expected


def test_blocks_whose_patterns_no_name_fits_together_do_not_contradict_each_other():
    """A name says the detector and the numbers, too."""
    blocks = [
        block(1.0, file="*_nrca1*"), block(2.0, file="*_nrcb1*"), block(3.0, detector="NRCALONG"),
        block(4.0, file="jw01345*_00002_mir*"), block(5.0, file="jw01346*_mirimage_*"),
    ]  # fmt: skip

    assert len(made(deep={"where": blocks}).where) == 5
    (found,) = mistakes(deep={"where": [block(1.0, file="*_nrca1*"), block(2.0, exposure=1)]})
    assert found.startswith("recipes.deep.where[0] and where[1]: equally specific")


def test_a_block_for_file_and_detector_decides_between_two():
    """As with all other keys."""
    blocks = [block(1.0, file="*_00001_*"), block(2.0, detector="NRCALONG")]
    both = block(3.0, file="*_00001_*", detector="NRCALONG")

    assert threshold(made(deep={"where": [*blocks, both]})) == 3.0
