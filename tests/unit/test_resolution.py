"""The forms of parameters, their layers and ranks, each value by itself."""

from math import inf

import pytest

from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Recipe, Where, canonical
from jwmirror.pipeline.headers import NAMES
from jwmirror.pipeline.parameters import resolution
from jwmirror.pipeline.parameters.resolution import (
    applies,
    contradictions,
    effective_parameters,
    flatten,
    is_parallel,
    normalise,
    parameter_layers,
    resolve,
)

MOS = "master_background_mos"


def header(**values: str) -> str:
    """A header with these values, by key of a where-block."""
    return canonical({NAMES[key]: value for key, value in values.items()})


ONE, TWO = header(observation="1", filter="F200W"), header(observation="2", filter="F200W")


def where(parameters: dict, **match: str) -> Where:
    """A where-block."""
    return Where(match=match, parameters=parameters)


def deep(*blocks: Where, settings: dict | None = None, **parameters: object) -> Recipe:
    """A recipe."""
    return Recipe(name="deep", programs=(1345,), parameters=parameters, where=blocks,
                  settings=settings or {})  # fmt: skip


@pytest.mark.parametrize(
    ("written", "paths"),
    [
        ({"image2": {"photom": {"skip": True}}}, {("image2", "photom", "skip"): True}),
        ({"image2": {"steps": {"photom": {"skip": True}}}}, {("image2", "photom", "skip"): True}),
        ({"Image2Pipeline": {"save_bsub": True}}, {("image2", "", "save_bsub"): True}),
        ({"image2": {"steps": 5}}, {}),
        ({"image2": {"steps": {"x": 5}}}, {("image2", "", "x"): 5}),
        ({"spec2": {MOS: {"steps": {"photom": {"skip": True}, "x": 1}}}},
         {("spec2", f"{MOS}.steps.photom", "skip"): True}),
        ({"spec2": {MOS: {"steps": 5}}}, {("spec2", MOS, "steps"): 5}),
        ({"image3": {"a": {"b": [inf, 1, (2.5,)], "c": None}}},
         {("image3", "a", "b"): ["inf", 1, [2.5]], ("image3", "a", "c"): None}),
    ],
)  # fmt: skip
def test_each_form_is_flattened_to_paths(written, paths):
    """Pipeline, step and parameter, with infinities as text."""
    assert flatten(written) == paths


def test_the_normal_form_has_all_steps_under_steps():
    """Also a pipeline without any, and the steps of a step."""
    written = {"spec2": {"x": 1, MOS: {"y": 2, "steps": {"photom": {"z": 3}}}}, "image2": {"w": 4}}

    assert normalise(written) == {
        "spec2": {"x": 1, "steps": {MOS: {"y": 2, "steps": {"photom": {"z": 3}}}}},
        "image2": {"w": 4, "steps": {}},
    }


def test_each_value_that_contradicts_the_one_before_is_found():
    """Not the same value once more."""
    written = {
        "image2": {"a": {"x": 1, "y": 5}, "steps": {"a": {"x": 1, "y": 6}}},
        "Image2Pipeline": {"a": {"x": 2, "y": 6}},
    }

    assert [*contradictions(written)] == [
        (("image2", "a", "y"), 5, 6),
        (("image2", "a", "x"), 1, 2),
    ]


@pytest.mark.parametrize(
    ("match", "headers", "expected"),
    [
        ({"filter": "F200W"}, [ONE, TWO], True),
        ({"observation": "1"}, [ONE], True),
        ({"observation": "1"}, [ONE, TWO], False),
        ({"observation": "1"}, [TWO, ONE], False),
        ({"filter": "F200W"}, [ONE, ""], False),
        ({"grating": ""}, [ONE], True),
        ({"grating": ""}, [""], False),
    ],
)
def test_a_block_applies_if_all_members_match(match, headers, expected):
    """A member of which nothing is known matches nothing."""
    assert applies(where({}, **match), *headers) is expected


def test_blocks_are_ranked_by_their_keys_for_each_parameter():
    """Whatever their order; a block that does not apply does not count."""
    blocks = [
        where({"image2": {"a": {"x": 2}}}, filter="F200W", observation="1"),
        where({"image2": {"a": {"x": 1, "y": 1}}}, filter="F200W"),
        where({"image2": {"a": {"x": 9}}}, filter="F200W", observation="2", detector="NRCA1"),
    ]
    plain = {"image2": {"a": {"x": 0, "y": 0, "z": 0}}}

    for order in (blocks, blocks[::-1]):
        found = effective_parameters(deep(*order, **plain), ONE)
        assert found == {"image2": {"steps": {"a": {"x": 2, "y": 1, "z": 0}}}}


def test_a_tie_names_recipe_parameter_and_both_values():
    """One sentence for each; one that the command line decides is none."""
    ties = [
        where({"image2": {"a": {"x": 1}, "y": 3}}, filter="F200W"),
        where({"image2": {"a": {"x": 2}, "y": 4}}, observation="1"),
    ]

    with pytest.raises(ConfigError) as caught:
        effective_parameters(deep(*ties, settings={"image2": {"y": 5}}), ONE)

    assert caught.value.mistakes == [
        "recipes.deep.where: two equally specific blocks match one exposure and set image2.a.x to "
        "1 and to 2; add a match key to the block that should win."
    ]
    assert effective_parameters(deep(*ties), TWO)["image2"] == {"steps": {"a": {"x": 1}}, "y": 3}


def test_layers_come_in_the_order_in_which_they_win():
    """The recipe, its blocks from few keys to many, the command line; each with its name."""
    blocks = [
        where({"image2": {"a": {"x": 2}}}, filter="F200W", observation="1"),
        where({"image2": {"a": {"x": 9}}}, observation="2"),
        where({"image2": {"a": {"x": 1}}}, filter="F200W"),
    ]
    recipe = deep(*blocks, settings={"image2": {"b": 3}}, image2={"a": {"x": 0}})

    assert [*parameter_layers(recipe, ONE)] == [
        ("recipe deep", {"image2": {"steps": {"a": {"x": 0}}}}),
        ("recipe deep, where filter F200W", {"image2": {"steps": {"a": {"x": 1}}}}),
        ("recipe deep, where filter F200W, observation 1", {"image2": {"steps": {"a": {"x": 2}}}}),
        ("set for recipe deep", {"image2": {"b": 3, "steps": {}}}),
    ]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("maximum_cores", "half", True),
        ("maximum_cores", "2", True),
        ("maximum_cores", 1, False),
        ("maximum_cores", "ONE", False),
        ("maximum_cores", None, False),
        ("minobj", "half", False),
    ],
)
def test_more_processes_are_known_by_their_words(name, value, expected):
    """Case does not matter."""
    assert is_parallel(name, value) is expected


def former(pipeline: str, step: str, name: str, value: object) -> object:
    """A parameter in its form in earlier keys; None if no form differs."""
    found = resolve(pipeline, [{"steps": {step: {name: value}}}]).former
    return None if found is None else found["steps"][step][name]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("half", "none"), ("none", "none"), ("one", "one"), ("1", None)],
)
def test_words_for_cores_had_other_forms_in_earlier_keys(value, expected):
    """All that started further processes was none; the default has the same form now."""
    assert former("detector1", "jump", "maximum_cores", value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rotation", -0.0, "-0.0"),
        ("crval", [1, 2.5], "[1, 2.5]"),
        ("output_shape", [1, 2], None),
        ("pixfrac", 1, None),
        ("in_memory", 1, None),
        ("pixel_scale", inf, None),
    ],
)
def test_other_values_had_other_forms_only_in_lists_and_for_minus_zero(name, value, expected):
    """Single numbers and switches had the type of their spec even then."""
    found = former("image3", "resample", name, value)

    assert (found if found is None else repr(found)) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("crval", [1, -0.0], "[1.0, 0.0]"),
        ("crval", (1, inf), "[1.0, 'inf']"),
        ("output_shape", [2, 3], "[2, 3]"),
        ("pixfrac", 1, "1.0"),
        ("in_memory", 0, "False"),
        ("kernel", "square", "'square'"),
        ("pixel_scale", None, "None"),
        ("pixel_scale", -inf, "'-inf'"),
    ],
)
def test_values_have_the_type_of_their_spec(name, value, expected):
    """So that equal values have equal keys."""
    resolved = resolve("image3", [{"steps": {"resample": {name: value}}}]).parameters

    assert repr(resolved["steps"]["resample"][name]) == expected


def test_steps_of_a_step_are_resolved_like_steps():
    """A skipped one is only skipped; jwmirror's own parameters stay beside stpipe's."""
    steps = {MOS: {"steps": {"photom": {"skip": True, "inverse": True}, "flat_field": {"name": 1}}}}
    layers = [{"steps": {}, "between": []}, {"steps": steps, "between": ("fixes.scale",)}]

    found = resolve("spec2", layers).parameters

    inner = found["steps"][MOS]["steps"]
    assert inner["photom"] == {"skip": True} and "inverse" in inner["flat_field"]
    assert found["between"] == ["fixes.scale"] and "name" not in inner["flat_field"]
    assert {"skip", "save_results", "between_files"}.isdisjoint(found)


def test_a_pipeline_that_is_skipped_runs_all_the_same():
    """A parameter reference may say so of the pipeline; the recipe's stages decide."""
    assert resolve("image2", [{"skip": True, "steps": {}}]) == resolve("image2", [{}])


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        ("int(default=1)", 2.0, "2"),
        ("integer(min=0, default=1)", True, "1"),
        ("bool(default=True)", 0, "False"),
        (" float(default=None)", 0, "0.0"),
        ("int_list(default=None)", [1.0], "[1]"),
        ("float_list(default=None)", None, "None"),
        ("string(default='1')", 1, "1"),
        ("string_list(default=None)", ["a", inf], "['a', 'inf']"),
        ("float(default=1.0)", "text", "'text'"),
    ],
)
def test_a_value_has_the_type_that_its_check_begins_with(check, value, expected):
    """Texts stay, as stpipe reads them."""
    assert repr(resolution._typed("x", value, check)) == expected


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("option('none','half', default='none')", "none"),
        ("string(default = '1')", "1"),
        ("string(default='half')", "none"),
        ("string()", "none"),
    ],
)
def test_cores_have_the_word_of_their_default(check, expected):
    """If that starts no further processes; whatever was asked for."""
    assert resolution._typed("maximum_cores", "all", check) == expected
