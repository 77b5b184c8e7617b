"""Parameters: mistakes found before the first job, where-blocks, and stpipe's own defaults."""

from math import inf, nan

import pytest
from astropy.io import fits
from astropy.table import Table

from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Recipe, Where, canonical, parse
from jwmirror.pipeline.parameters.checks import parameter_mistakes
from jwmirror.pipeline.parameters.resolution import (
    CORES,
    Resolved,
    effective_parameters,
    normalise,
    resolve,
)

PLACE = "recipes.deep.parameters"
MOS = "spec2.master_background_mos.steps"
HEADER = canonical(
    {
        "meta.observation.program_number": "01345",
        "meta.observation.observation_number": "002",
        "meta.instrument.name": "NIRCAM",
        "meta.instrument.detector": "NRCALONG",
        "meta.instrument.filter": "F444W",
    }
)


def mos(steps: object) -> dict:
    """Parameters of the steps that one step has of its own."""
    return {"spec2": {"master_background_mos": {"steps": steps}}}


def recipe(*where: Where, **parameters: object) -> Recipe:
    """A recipe with where-blocks."""
    return Recipe(name="deep", programs=(1345,), parameters=parameters, where=where)


def where(value: float, **match: object) -> Where:
    """A block that sets the jump threshold."""
    match = {key: str(value) for key, value in match.items()}
    return Where(match=match, parameters={"detector1": {"jump": {"rejection_threshold": value}}})


def threshold(made: Recipe, header: str = HEADER) -> object:
    """The jump threshold that a recipe says for an exposure."""
    return effective_parameters(made, header)["detector1"]["steps"]["jump"]["rejection_threshold"]


def test_two_mistakes_are_both_named_with_the_right_name():
    """A misspelt parameter and a misspelt step, each with place and guess."""
    wrong = {"detector1": {"jump": {"rejection_treshold": 5}, "jmup": {}}}

    parameter, step = parameter_mistakes(wrong, PLACE)

    assert parameter.startswith(f"{PLACE}.detector1.jump.rejection_treshold: unknown parameter")
    assert "did you mean 'rejection_threshold'?" in parameter
    assert step.startswith(f"{PLACE}.detector1.jmup: unknown step 'jmup'; did you mean 'jump'?")


@pytest.mark.parametrize(
    ("wrong", "place", "told"),
    [
        ({"imgae3": {}}, "imgae3", "did you mean 'image3'?"),
        ({"guider": 5}, "guider", "expected steps"),
        (
            {"image3": {"tweakreg": {"searchrad": "far"}}},
            "image3.tweakreg.searchrad",
            "expected a number (default 2.0).",
        ),
        (
            {"image3": {"tweakreg": {"fitgeometry": "x"}}},
            "image3.tweakreg.fitgeometry",
            "expected one of shift, rshift, rscale",
        ),
        (
            {"image2": {"assign_wcs": {"sip_degree": 9}}},
            "image2.assign_wcs.sip_degree",
            "expected a whole number <= 6",
        ),
        (
            {"detector1": {"jump": {"skip": "maybe"}}},
            "detector1.jump.skip",
            "expected true or false",
        ),
        ({"detector1": {"jump": True}}, "detector1.jump", "jump is a step"),
        ({"detector1": {"save_ramp": True}}, "detector1.save_ramp", "save_calibrated_ramp"),
        ({"detector1": {"skip": True}}, "detector1.skip", "stages"),
        ({"image3": {"resample": {"input_dir": "x"}}}, "image3.resample.input_dir", "remove"),
        ({"image3": {"config_file": "x.asdf"}}, "image3.config_file", "write from: FILE"),
        ({"image3": {"steps": {"resampel": {}}}}, "image3.steps.resampel", "resample"),
        ({"image3": {"tweakreg": {"abs_refcat": "GAIA"}}}, "image3.tweakreg.abs_ref", "network"),
        ({"image2": {"photom": {"override_photom": "x.fits"}}}, "image2.photom.over", "No such"),
        ({"detector1": {"post_hooks": ["fixs.scale"]}}, "detector1.post_hooks[0]", "no module"),
        ({"detector1": {"jump": {"pre_hooks": ["fixs"]}}}, "detector1.jump.pre_hooks[0]", "fixs"),
        (mos({"flat_field": {"skp": True}}), f"{MOS}.flat_field.skp", "did you mean 'skip'?"),
        (mos({"flat_feld": {}}), f"{MOS}.flat_feld", "did you mean 'flat_field'?"),
        (mos({"photom": True}), f"{MOS}.photom", "expected parameters of the step photom"),
        (mos(3), MOS, "expected steps and their parameters, found 3"),
        (
            {"spec2": {"master_background_mos": {"photom": {"skip": True}}}},
            "spec2.master_background_mos.photom",
            "write it under steps",
        ),
        (mos({"photom": {"post_hooks": ["fixs.x"]}}), f"{MOS}.photom.post_hooks[0]", "no module"),
        (mos({"photom": {"override_photom": "x.fits"}}), f"{MOS}.photom.override_ph", "No such"),
        (
            {"detector1": {"jump": {"pre_hooks": "a.b"}}},
            "detector1.jump.pre_hooks",
            "expected a list",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(wrong, place, told):
    """One mistake, one line that begins with where it stands."""
    (line,) = parameter_mistakes(wrong, PLACE)

    assert line.startswith(f"{PLACE}.{place}")
    assert told in line


@pytest.mark.parametrize(
    "right",
    [
        {"detector1": {"jump": {"rejection_threshold": 5}, "save_calibrated_ramp": True}},
        {"Detector1Pipeline": {"steps": {"jump": {"skip": True, "maximum_cores": "none"}}}},
        {"calwebb_image3": {"tweakreg": {"abs_refcat": "stars.ecsv"}, "save_results": True}},
        {"detector1": {"ramp_fit": {"firstgroup": None, "override_gain": "gain.fits"}}},
        {"detector1": {"ramp_fit": {"maximum_cores": "1", "post_hooks": ["fixes.scale"]}}},
    ],
)
def test_what_can_be_run_is_no_mistake(right, tmp_path):
    """Config's names, notebooks' names and forms, None for what has no value, files and hooks."""
    fits.PrimaryHDU(header=fits.Header({"REFTYPE": "GAIN"})).writeto(tmp_path / "gain.fits")
    Table({"RA": [1.0], "DEC": [2.0]}).write(tmp_path / "stars.ecsv")
    (tmp_path / "fixes.py").write_text("def scale(model): ...")

    assert parameter_mistakes(right, PLACE, tmp_path) == []


@pytest.mark.parametrize(
    "twice",
    [
        {"detector1": {"jump": {"edge_size": 5}, "steps": {"jump": {"edge_size": 7}}}},
        {"detector1": {"jump": {"edge_size": 5}}, "Detector1Pipeline": {"jump": {"edge_size": 7}}},
    ],
)
def test_two_values_of_one_parameter_in_one_place_are_a_mistake(twice):
    """In two forms, or under two names of the pipeline; the same value twice is none."""
    (line,) = parameter_mistakes(twice, PLACE)

    same = {"detector1": {"jump": {"skip": True}, "steps": {"jump": {"skip": True}}}}
    assert line == f"{PLACE}: sets detector1.jump.edge_size twice, to 5 and to 7; set it once."
    assert parameter_mistakes(same, PLACE) == []


def test_all_forms_of_one_parameter_are_the_same():
    """A step beside the pipeline's parameters and one under `steps` mean the same."""
    beside = {"detector1": {"jump": {"skip": True}, "save_calibrated_ramp": True}}
    nested = {
        "calwebb_detector1": {"steps": {"jump": {"skip": True}}, "save_calibrated_ramp": True}
    }

    assert normalise(beside) == normalise(nested)


def test_a_more_specific_block_wins_wherever_it_stands():
    """More match keys win, not the order; numbers and case are read as people mean them."""
    blocks = [
        where(7.0, detector="nrcalong", filter="F444W"),
        where(6.0, program=1345),
        where(8.0, detector="NRCB1", filter="F444W", observation=2),
    ]

    found = threshold(recipe(*blocks, detector1={"jump": {"rejection_threshold": 5.0}}))

    assert found == 7.0


def test_a_block_adds_to_what_the_recipe_says():
    """Parameters that the block does not name stay."""
    made = recipe(where(6.0, observation=2), detector1={"jump": {"skip": False}}, image3={"x": 1})

    found = effective_parameters(made, HEADER)

    assert found["detector1"]["steps"]["jump"] == {"skip": False, "rejection_threshold": 6.0}
    assert found["image3"] == {"steps": {}, "x": 1}


def test_a_block_adds_to_the_steps_of_a_step():
    """Each parameter of an inner step counts by itself, as those of other steps do."""
    block = Where(match={"observation": "2"}, parameters=mos({"photom": {"skip": True}}))
    made = recipe(block, **mos({"flat_field": {"skip": True}, "photom": {"inverse": inf}}))

    found = effective_parameters(made, HEADER)["spec2"]["steps"]["master_background_mos"]

    inner = {"flat_field": {"skip": True}, "photom": {"inverse": "inf", "skip": True}}
    assert found == {"steps": inner} and normalise(mos(inner)) == normalise(normalise(mos(inner)))


def test_a_filter_is_found_in_either_wheel():
    """F405N of NIRCam is in the pupil wheel; the image with F444W behind it is not one of F444W."""
    narrow = canonical({**parse(HEADER, dict), "meta.instrument.pupil": "F405N"})

    for name in ("F405N", "F444W+F405N"):
        assert threshold(recipe(where(7.0, filter=name)), narrow) == 7.0
    behind = effective_parameters(recipe(where(7.0, filter="F444W")), narrow)
    assert "7.0" not in str(behind)


def test_a_tie_in_conflict_is_an_error():
    """Two equally specific blocks that disagree: no silent winner."""
    tied = recipe(where(6.0, detector="NRCALONG"), where(7.0, filter="F444W"))

    with pytest.raises(ConfigError, match=r"recipes\.deep\.where.*rejection_threshold to 6\.0 and"):
        effective_parameters(tied, HEADER)


def test_a_tie_is_no_error_where_a_more_specific_block_decides_or_both_agree():
    """Only a conflict that decides the value counts."""
    tie = [where(6.0, detector="NRCALONG"), where(7.0, filter="F444W")]
    judge = where(8.0, detector="NRCALONG", filter="F444W")
    agreeing = [where(6.0, detector="NRCALONG"), where(6.0, filter="F444W")]

    assert threshold(recipe(*tie, judge)) == 8.0
    assert threshold(recipe(judge, *tie)) == 8.0
    assert threshold(recipe(*agreeing)) == 6.0


def test_later_layers_lie_over_earlier_ones_and_over_the_defaults():
    """spec < first layer < second layer; a whole number for a float is that float."""
    layers = [
        {"steps": {"jump": {"rejection_threshold": 5, "name": "jump", "flag_4_neighbors": False}}},
        {"steps": {"jump": {"rejection_threshold": 6}}, "save_results": False},
    ]

    jump = resolve("detector1", layers).parameters["steps"]["jump"]

    assert repr(jump["rejection_threshold"]) == "6.0"
    assert jump["flag_4_neighbors"] is False
    assert jump["edge_size"] == 25
    assert "name" not in jump


def test_infinity_is_neither_nan_nor_none_once_it_was_written():
    """JSON has no infinity: a recipe goes through it to the plan, and parameters to key and job."""

    def resolved(threshold: float | None) -> object:
        said = normalise({"detector1": {"jump": {"rejection_threshold": threshold}}})
        written = parse(canonical(recipe(**said)), Recipe)
        layers = [effective_parameters(written, HEADER)["detector1"]] * 2
        return resolve("detector1", layers).parameters["steps"]["jump"]["rejection_threshold"]

    assert {resolved(value) for value in (inf, nan, None)} == {"inf", "nan", None}
    assert resolved("inf") == "inf"


def test_what_does_not_matter_is_not_resolved():
    """Skipped steps are just skipped, idle ones absent, and no parameter says where files go."""
    found = resolve(
        "detector1", [{"steps": {"jump": {"skip": True}}}], frozenset({"rscd"})
    ).parameters

    assert found["steps"]["jump"] == {"skip": True}
    assert "rscd" not in found["steps"]
    assert {"output_dir", "save_results", "suffix"}.isdisjoint(found)
    assert "output_dir" not in found["steps"]["ramp_fit"]


TEXTS = ["output_file", "output_dir", "output_ext", "input_dir", "suffix"]
TEXTS += ["name", "class", "config_file", "logcfg"]
SWITCHES = ["output_use_model", "output_use_index", "search_output_file"]


@pytest.mark.parametrize(
    ("name", "value"), [*((t, "x") for t in TEXTS), *((s, v) for s in SWITCHES for v in (0, 1))]
)
def test_where_files_go_is_in_no_key(name, value):
    """Neither of the pipeline nor of a step: else results would be made again for a folder."""
    plain = resolve("detector1", [{}]).parameters

    written = resolve("detector1", [{"steps": {"jump": {name: value}}, name: value}]).parameters

    assert written == plain
    assert name not in plain and all(name not in step for step in plain["steps"].values())


def test_the_hooks_of_a_skipped_step_stay():
    """Stpipe runs them all the same."""
    hooks = {"pre_hooks": ["fixes.scale"], "post_hooks": []}

    found = resolve("detector1", [{"steps": {"jump": {"skip": True, **hooks}}}]).parameters

    assert found["steps"]["jump"] == {"skip": True, "pre_hooks": ["fixes.scale"]}


def test_a_pars_reference_that_asks_for_more_processes_is_not_followed():
    """One core per exposure; the results are the same."""
    found = resolve("detector1", [{"steps": {"jump": {"maximum_cores": "half"}}}]).parameters

    assert found["steps"]["jump"]["maximum_cores"] == "1"  # the default
    assert found["steps"]["ramp_fit"]["maximum_cores"] == "1"


def image3(step: str, name: str, value: object) -> Resolved:
    """The parameters of image3 with one that is set."""
    return resolve("image3", [{"steps": {step: {name: value}}}])


@pytest.mark.parametrize(
    ("step", "name", "values"),
    [
        ("resample", "crpix", ([1, 2], [1.0, 2.0], (1, 2), ["1", "2"])),
        ("resample", "crval", ([0.0, 1], [-0.0, 1.0])),
        ("resample", "rotation", (0, 0.0, -0.0, "0")),
        ("resample", "pixfrac", (1, 1.0, True)),
        ("resample", "in_memory", (True, 1, "yes")),
        ("tweakreg", "minobj", (1, True, "1")),
    ],
)
def test_equal_values_have_one_form(step, name, values):
    """Keys are of the JSON, in which 1 and 1.0 differ."""
    forms = {canonical(image3(step, name, value).parameters) for value in values}

    assert len(forms) == 1


def test_no_word_for_one_process_is_a_difference():
    """None, too; the form is the default's, so keys of unset parameters stay."""
    asked = [{"steps": {"jump": {CORES: value}}} for value in (None, "none", "one", "1", "half")]

    found = [resolve("detector1", [each]).parameters for each in [*asked, {}]]

    assert all(each == found[-1] for each in found)


def test_the_form_in_earlier_keys_is_known_where_it_differs():
    """Results are looked up under it, too; without it, they would be computed once more."""
    whole, floats = (image3("resample", "crpix", value) for value in ([1, 2], [1.0, 2.0]))

    assert repr(whole.former["steps"]["resample"]["crpix"]) == "[1, 2]"
    assert floats.former is None
    assert resolve("image3", [{}]).former is None


def test_resolving_refuses_what_stpipe_refuses():
    """A value of a pars reference or a notebook that is out of range does not get into a key."""
    with pytest.raises(ConfigError, match=r"detector1: .*rejection_threshold"):
        resolve("detector1", [{"steps": {"jump": {"rejection_threshold": "high"}}}])


OWN = "pre_hooks, post_hooks, save_results, skip"  # parameters of every step


@pytest.mark.parametrize(
    ("wrong", "lines"),
    [
        ({"jump": {}}, ["jump: jump is a step of detector1; write detector1: {jump: ...}."]),
        ({"detector1": {"steps": 5}},
         ["detector1.steps: expected steps and their parameters, found 5."]),
        ({"guider": [1]}, ["guider: expected steps and their parameters, found [1]."]),
        ({"detector1": {"jump": 5}},
         ["detector1.jump: jump is a step, so its parameters were expected ({jump: {skip: true}}), "
          "found 5."]),
        ({"image3": {"zzz": 1}},
         [f"image3.zzz: unknown parameter or step 'zzz'; allowed are {OWN}, in_memory, "
          "assign_mtwcs, tweakreg, skymatch, outlier_detection, resample, source_catalog"]),
        ({"image3": {"zzz": {}}},
         ["image3.zzz: unknown step 'zzz'; allowed are assign_mtwcs, tweakreg, skymatch, "
          "outlier_detection, resample, source_catalog"]),
        ({"detector1": {"jump.rejection_threshold": 4}},
         ["detector1.jump.rejection_threshold: found a dot in jump.rejection_threshold; write "
          "jump: {rejection_threshold: 4}"]),
        ({"image2": {"photom": {"zzz": 1}}},
         [f"image2.photom.zzz: unknown parameter 'zzz'; allowed are {OWN}, inverse, source_type, "
          "apply_time_correction, override_photom, override_area; `jwmirror params image2.photom` "
          "lists the parameters."]),
        ({"detector1": {"steps": {"jump": {"edge_siz": 5}}}},
         ["detector1.steps.jump.edge_siz: unknown parameter 'edge_siz'; did you mean 'edge_size'? "
          "`jwmirror params detector1.jump` lists the parameters."]),
        (mos({"zz": {}, "photom": {"skip": True}}),
         [f"{MOS}.zz: unknown step 'zz'; allowed are flat_field, pathloss, barshadow, photom, "
          "pixel_replace, resample_spec, extract_1d"]),
        (mos({"photom": 3, "barshadow": {"skip": 5}}),
         [f"{MOS}.photom: expected parameters of the step photom, found 3.",
          f"{MOS}.barshadow.skip: found 5, expected true or false (default false)."]),
        ({"detector1": {"input_dir": "x"}},
         ["detector1.input_dir: jwmirror gives each stage its inputs; remove input_dir."]),
        ({"detector1": {"class": "x"}}, ["detector1.class: jwmirror sets it; remove class."]),
        ({"image2": {"skip": True}},
         ["image2.skip: to omit a whole pipeline, use the recipe's stages; remove skip."]),
        ({"image3": {"resample": {"crpix": [1], "pixfrac": "x"}}},
         ['image3.resample.crpix: found [1], expected a list of 2 numbers (default null); the '
          'value "[1]" is too short.',
          "image3.resample.pixfrac: found 'x', expected a number 0.0 to 1.0 (default 1.0)."]),
        ({"image3": {"tweakreg": {"fitgeometry": "x"}}},
         ["image3.tweakreg.fitgeometry: found 'x', expected one of shift, rshift, rscale, general "
          "(default rshift)."]),
    ],
)  # fmt: skip
def test_each_mistake_is_told_word_by_word(wrong, lines):
    """All of them, in the order in which they were written."""
    found = [line.removeprefix(f"{PLACE}.") for line in parameter_mistakes(wrong, PLACE)]

    assert found == lines


@pytest.mark.parametrize("name", ["None", "", None, "jw_x", "jw"])
def test_an_output_of_a_name_that_is_stored_is_no_mistake(name):
    """Or without a name, which is the default."""
    outputs = {"ramp_fit": {"opt_name": name}, "dark_current": {"dark_output": name}}
    spectra = {"extract_1d": {"soss_modelname": name, "soss_wave_grid_out": name}}
    persistence = {"persistence": {"save_persistence": name}}

    made = {"detector1": {**outputs, **persistence}, "spec2": spectra}

    assert parameter_mistakes(made, PLACE) == []


def test_files_are_looked_for_where_the_config_is(tmp_path, monkeypatch):
    """By default in the working directory."""
    (tmp_path / "fixes.py").write_text("def scale(model): ...")
    hooked = {"detector1": {"jump": {"pre_hooks": ["fixes.scale"]}}}
    (elsewhere,) = parameter_mistakes(hooked, PLACE, tmp_path / "none")

    monkeypatch.chdir(tmp_path)

    assert "no module" in elsewhere and parameter_mistakes(hooked, PLACE) == []


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("100,100", "write [100, 100]"),
        ("100 100", "write [100, 100]"),
        ("(100,100", "write [100, 100]"),
        ("100", "is of the wrong type"),
        ("a, b", "is of the wrong type"),
    ],
)
def test_a_list_that_is_written_as_text_is_shown_as_one(written, advice):
    """If its items are right."""
    wrong = {"image3": {"resample": {"output_shape": written}}}

    (line,) = parameter_mistakes(wrong, PLACE)

    expected = f"found {written!r}, expected a list of 2 whole numbers (default null); "
    assert expected in line and line.endswith(f"{advice}.")
