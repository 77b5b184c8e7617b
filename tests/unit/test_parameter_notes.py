"""Notes on parameters: ignored, or without effect; and values written as in Python."""

import re
from pathlib import Path
from typing import Any

import asdf
import pytest
import yaml
from astropy.io import fits
from jwst.resample import resample_utils

from jwmirror.pipeline.parameters.checks import check_parameters
from jwmirror.pipeline.parameters.python_notation import without_python_notation
from jwmirror.pipeline.parameters.resolution import effective_parameters, normalise, resolve
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.services.configure.check import ConfigCheck, check_config
from jwmirror.services.inspect import preview
from tests.setup.configs import parse
from tests.setup.old_mirror import unpack


@pytest.fixture
def check(tmp_path: Path):
    """Check a config with these recipes."""

    def check(recipes: dict[str, Any], *settings: str) -> ConfigCheck:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"programs": [{"program": 1346}], "recipes": recipes}))
        return check_config(path, settings)

    return check


def recipe(stages: list[int] | None = None, **parameters: Any) -> dict[str, Any]:
    """A recipe as a config has it."""
    return {"stages": stages or [1, 2, 3], "parameters": parameters}


def on_recipes(checked: ConfigCheck) -> list[str]:
    """The notes on places in recipes, without the file and the line that each begins with."""
    place = re.compile(r".*config\.yaml, line \d+: (recipes.*)")
    placed = map(place.fullmatch, checked.notes)
    return [note[1] for note in placed if note]


# ---- ignored ---------------------------------------------------------------------------------

HABITS = {
    "detector1": {
        "jump": {"maximum_cores": "half"},
        "dark_current": {"dark_output": "dark.fits"},
        "output_dir": "products",
    },
    "spec3": {"cube_build": {"output_file": "mycube", "search_output_file": True}},
}


def test_names_of_files_and_numbers_of_processes_are_ignored_with_a_note():
    """Each with its place and the reason; none refuses the config."""
    remarks = check_parameters(HABITS, "here")

    assert remarks.mistakes == ()
    assert [note.partition(":")[0] for note in remarks.notes] == [
        "here.detector1.jump.maximum_cores",
        "here.detector1.dark_current.dark_output",
        "here.detector1.output_dir",
        "here.spec3.cube_build.output_file",
        "here.spec3.cube_build.search_output_file",
    ]
    assert all("is ignored: " in note for note in remarks.notes)


@pytest.mark.parametrize("pipeline", HABITS)
def test_ignored_parameters_are_in_no_key(pipeline):
    """The pipeline is called as without them."""
    layers = [normalise(HABITS)[pipeline]] if pipeline in normalise(HABITS) else []

    assert resolve(pipeline, layers).parameters == resolve(pipeline, []).parameters


def test_persistence_from_one_exposure_to_the_next_is_refused_with_the_reason():
    """One mistake, though the file does not exist either."""
    chain = {"save_persistence": "p.asdf", "persistence_array_file": "p.asdf"}
    parameters = {"detector1": {"persistence": {"skip": False, "persistence_time": 3600, **chain}}}

    (line,) = check_parameters(parameters, "here").mistakes

    assert line.startswith("here.detector1.persistence: persistence from one exposure to the next")
    assert "in any order" in line and "remove save_persistence" in line


# ---- without effect --------------------------------------------------------------------------

NOISE = {"clean_flicker_noise": {"fit_method": "fft", "n_sigma": 1.5}}
CATALOGUES = {"tweakreg": {"catfile": "cats.txt"}}
CUBE = {"scalexy": 0.1}


@pytest.mark.parametrize(
    ("recipes", "note"),
    [
        (
            {"r": recipe([1], detector1=NOISE)},
            "recipes.r.parameters.detector1.clean_flicker_noise: fit_method, n_sigma: no effect",
        ),
        (
            {"s": recipe([3], detector1={"jump": {"rejection_threshold": 5.0}})},
            "recipes.s.parameters.detector1: has no effect: recipe s has stages: [3]",
        ),
        (
            {"w": {"steps": ["spec3.extract_1d"], "parameters": {"spec3": {"cube_build": CUBE}}}},
            "recipes.w.parameters.spec3.cube_build: scalexy: no effect, because recipe w has steps",
        ),
        (
            {"w": {"steps": ["spec3.extract_1d"], "parameters": {"spec2": {"cube_build": CUBE}}}},
            "recipes.w.parameters.spec2: has no effect: recipe w has steps: [spec3.extract_1d]",
        ),
        (
            {"r": recipe(image3={"resample": {"skip": True, "pixfrac": 0.5}})},
            "recipes.r.parameters.image3.resample: pixfrac: no effect",
        ),
        (
            {"r": recipe(image3=CATALOGUES)},
            "recipes.r.parameters.image3.tweakreg.catfile: no effect without use_custom_catalogs",
        ),
        (
            {"a": recipe([1], detector1=NOISE), "b": {"extends": "a", "stages": [1, 2]}},
            "recipes.a.parameters.detector1.clean_flicker_noise: fit_method",
        ),
    ],
)
def test_a_setting_without_effect_gives_a_note(check, tmp_path, monkeypatch, recipes, note):
    """One, at its place in the config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats.txt").write_text("")

    checked = check(recipes)

    assert checked.mistakes == ()
    (found,) = [line for line in on_recipes(checked) if "effect" in line]
    assert found.startswith(note)


WAKE = {"detector1": {"clean_flicker_noise": {"skip": False}}}


@pytest.mark.parametrize(
    "recipes",
    [
        {"r": recipe([1], detector1={"clean_flicker_noise": {"skip": False, "n_sigma": 1.5}})},
        {
            "r": recipe([1], detector1=NOISE)
            | {"where": [{"match": {"detector": "NRS1"}, "parameters": WAKE}]}
        },
        {"a": recipe([1], detector1=NOISE), "b": {"extends": "a", "parameters": WAKE}},
        {
            "a": recipe([1], detector1={"jump": {"edge_size": 5}}, image3={"resample": {}}),
            "b": {"extends": "a", "stages": [1, 2, 3]},
        },
        {"r": recipe(detector1={"clean_flicker_noise": {"skip": True}})},
        {
            "a": recipe(spec3={"extract_1d": {"skip": True}}),
            "b": {
                "extends": "a",
                "steps": ["spec3.extract_1d"],
                "parameters": {"spec3": {"extract_1d": {"ifu_rscale": 2.0}}},
            },
        },
        {"r": recipe(image3={"tweakreg": {**CATALOGUES["tweakreg"], "use_custom_catalogs": True}})},
    ],
)
def test_a_setting_that_can_have_an_effect_gives_none(check, tmp_path, monkeypatch, recipes):
    """In a where-block, or in a recipe that extends the one that has it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats.txt").write_text("")

    checked = check(recipes)

    assert checked.mistakes == ()
    assert on_recipes(checked) == []


def test_a_setting_of_the_command_line_runs_the_step(check):
    """So nothing is without effect in that call."""
    recipes = {"r": recipe([1], detector1=NOISE)}

    checked = check(recipes, "r.detector1.clean_flicker_noise.skip=false")

    assert [note for note in checked.notes if "no effect" in note] == []


# ---- Python's notation -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("None", None),
        ("(100, 100)", [100, 100]),
        ("(3.0,)", [3.0]),
        ("('a', None)", ["a", None]),
        ('Path("stars.ecsv")', "stars.ecsv"),
        ("pathlib.Path('a/b.fits')", "a/b.fits"),
        ("[None, 1]", [None, 1]),
        ("{a: (100,100), b: 2}", {"a": [100, 100], "b": 2}),
        ("{a: (1,2,3)}", {"a": [1, 2, 3]}),
        ("{a: (1, b: 2}", {"a": "(1", "b": 2}),
        ("(open('x'))", "(open('x'))"),
        ("Nones", "Nones"),
        ("4.5 3.5", "4.5 3.5"),
        ("'(1'", "(1"),
    ],
)
def test_values_written_as_in_python_are_understood(text, value):
    """Other texts stay as they are, and nothing is run."""
    assert without_python_notation(yaml.safe_load(text)) == value


def test_a_recipe_pasted_from_a_notebook_is_the_same_as_in_yaml():
    """None, and a tuple within braces, in parameters and in settings."""
    pasted = """
programs: [{program: 1346}]
recipes:
  r: {parameters: {image3: {resample: {rotation: None, output_shape: (100,100)}}}}
"""
    raw = yaml.safe_load(pasted) | {"set": ["r.image3.tweakreg.abs_refcat=None"]}

    (found,) = parse(raw).recipes

    parameters = effective_parameters(found, "{}")["image3"]["steps"]
    assert parameters["resample"] == {"rotation": None, "output_shape": [100, 100]}
    assert parameters["tweakreg"] == {"abs_refcat": None}


# ---- by what the mirror has ------------------------------------------------------------------


class References:
    """A resolver with one parameter reference, which switches clean_flicker_noise on or off."""

    def __init__(self, is_skipped: bool):
        self._content = {"steps": {"clean_flicker_noise": {"skip": is_skipped}}}

    def pars(self, pipeline: str, header: str) -> list[tuple[str, dict[str, Any]]]:
        """The layers of parameter references."""
        return [("jwst_nircam_pars-cleanflickernoisestep_0001.asdf", self._content)]


@pytest.fixture
def mirrored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Check a recipe on a mirror of NIRCam exposures of program 1345, with parameter references."""
    mirror = unpack(tmp_path) / "mirror"
    monkeypatch.chdir(tmp_path)

    def check(recipe: dict[str, Any], is_skipped: bool = True, programs: Any = None) -> list[str]:
        resolvers = Resolvers("", lambda python, context: References(is_skipped))
        monkeypatch.setattr(preview, "resolvers_of_config", lambda mirror, config: (resolvers, ()))
        raw = {"mirror": str(mirror), "programs": programs or [{"program": 1345}]}
        raw["recipes"] = {"r": recipe}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(raw))
        checked = check_config(tmp_path / "config.yaml")
        assert checked.mistakes == ()
        return on_recipes(checked)

    return check


@pytest.mark.parametrize("is_skipped", [True, False])
def test_the_parameter_references_of_the_exposures_say_which_steps_are_skipped(
    mirrored, is_skipped
):
    """Not the default of jwst, where they switch a step on."""
    notes = mirrored(recipe([1], detector1=NOISE), is_skipped)

    assert [("n_sigma" in note) for note in notes] == [True] * is_skipped


@pytest.mark.parametrize(
    ("instrument", "match", "count"),
    [("MIRI", {}, 1), ("NIRCAM", {}, 0), ("MIRI", {"detector": "MIRIMAGE"}, 0)],
)
def test_a_reference_of_an_instrument_that_the_mirror_does_not_have_is_noted(
    mirrored, tmp_path, instrument, match, count
):
    """A where-block on another instrument names it itself."""
    header = fits.Header({"REFTYPE": "DARK", "INSTRUME": instrument})
    fits.PrimaryHDU(header=header).writeto(tmp_path / "dark.fits")
    dark = {"detector1": {"dark_current": {"override_dark": "dark.fits"}}}
    where = [{"match": match, "parameters": dark}]

    notes = mirrored({"stages": [1], **({"where": where} if match else {"parameters": dark})})

    assert len(notes) == count
    assert all("a reference for MIRI" in note and "of NIRCAM" in note for note in notes)


@pytest.mark.parametrize(("tree", "count"), [({"other": 1}, 1), ({"wcs": "a WCS"}, 0)])
def test_an_output_wcs_without_a_wcs_is_noted(check, tmp_path, monkeypatch, tree, count):
    """As resample reads it."""
    monkeypatch.chdir(tmp_path)
    asdf.AsdfFile(tree).write_to(tmp_path / "grid.asdf")
    if count == 0:
        monkeypatch.setattr(resample_utils, "load_custom_wcs", lambda path, shape: {})

    checked = check({"r": recipe(image3={"resample": {"output_wcs": "grid.asdf"}})})

    assert checked.mistakes == ()
    notes = on_recipes(checked)
    assert [("the key wcs is missing" in note) for note in notes] == [True] * count


def test_a_step_that_the_pipeline_runs_for_other_instruments_only_is_noted(mirrored):
    """rscd is of MIRI; set skip to false, it is not run for NIRCam either."""
    (note,) = mirrored(recipe([1], detector1={"rscd": {"skip": False, "save_results": True}}))

    assert note.endswith(
        "rscd: save_results: no effect, because detector1 does not run the step for NIRCAM"
    )


def test_a_program_that_is_not_mirrored_yet_may_have_another_instrument(mirrored, tmp_path):
    """So nothing is noted."""
    rscd = recipe([1], detector1={"rscd": {"save_results": True}})

    assert mirrored(rscd, programs=[{"program": 1345}, {"program": 1346}]) == []
    (note,) = mirrored(rscd, programs=[{"program": 1346, "instruments": ["NIRISS"]}])
    assert "NIRISS" in note
