"""Functions between two pipelines: in keys, checked beforehand, held to their contract."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst.datamodels import ImageModel
from stdatamodels.jwst.datamodels import open as open_model

from jwmirror.core.errors import CalibrationError, ConfigError
from jwmirror.core.model import Recipe, canonical
from jwmirror.pipeline.derivation import key_of
from jwmirror.pipeline.parameters.resolution import effective_parameters, resolve
from jwmirror.pipeline.usercode import files, hooks
from jwmirror.pipeline.usercode.between import apply_functions, link_files
from tests.setup import records
from tests.setup.configs import parse

IMAGE = canonical({"meta.exposure.type": "NRC_IMAGE"})
SPECTRUM = canonical({"meta.exposure.type": "MIR_LRS-FIXEDSLIT"})
SOURCE = """
from stdatamodels.jwst.datamodels import CubeModel, ImageModel

def double(model):
    model.data *= 2
    return model

def add(model):
    model.data += float(open("level.txt").read())
    return model

def anew(model):
    return ImageModel(data=model.data + 1)

def nothing(model):
    model.data *= 2

def other(model):
    return CubeModel(data=model.data[None])

def fail(model):
    raise ValueError("no stripes here")

def two(model, strength): ...

def none(): ...

def optional(model, strength=1, *, order=2): ...

def keyword(model, *, order): ...

class Step: ...

async def later(model): ...
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with functions and a rate file, which is a link to a read-only object."""
    (tmp_path / "stripes.py").write_text(SOURCE)
    (tmp_path / "x").mkdir()
    for name in ("l.txt", "x/l.txt"):
        (tmp_path / name).write_text("1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "stripes", raising=False)
    image = ImageModel(data=np.ones((4, 4), "f4"))
    image.save(tmp_path / "a_rate.fits")
    (tmp_path / "a_rate.fits").rename(tmp_path / "object")
    (tmp_path / "object").chmod(0o444)
    (tmp_path / "a_rate.fits").symlink_to(tmp_path / "object")
    return tmp_path


def recipe(**between: object) -> Recipe:
    """The recipe of a config with these functions."""
    named = {pair.replace("__", ".."): function for pair, function in between.items()}
    raw = {"programs": [{"program": 1}], "recipes": {"deep": {"between": named}}}
    return parse(raw).recipes[0]


def pixels(path: Path) -> float:
    """The one value of all pixels."""
    with fits.open(path) as hdus:
        return float(np.unique(hdus["SCI"].data).item())


# ---- in recipes ------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_functions_are_parameters_of_the_second_pipeline():
    """And so in its key; of the pipelines that an exposure goes through only."""
    made = recipe(detector1__image2="stripes.double", spec2__spec3=["stripes.double"])

    image, spectrum = effective_parameters(made, IMAGE), effective_parameters(made, SPECTRUM)

    assert image == {"image2": {"steps": {}, "between": ["stripes.double"]}}
    assert spectrum["spec3"] == {"steps": {}, "between": ["stripes.double"]}
    assert resolve("image2", [image["image2"]]).parameters["between"] == ["stripes.double"]


def test_without_functions_parameters_are_as_they_were():
    """No key of a mirror changes because there could be functions."""
    assert "between" not in resolve("image2", [{"steps": {}}]).parameters


def test_the_source_of_a_function_is_known_by_content(folder):
    """As that of a hook."""
    parameters = {"between": ["stripes.double"], "steps": {}}

    before = hooks.hook_sources(parameters, folder)
    (folder / "stripes.py").write_text(SOURCE.replace("2", "3"))

    assert dict(before).keys() == {"stripes.double"}
    assert hooks.hook_sources(parameters, folder) != before


def test_files_that_functions_read_count_by_content(folder):
    """As override files do: by name and content, wherever they are; edited, they do not run."""
    (folder / "level.txt").write_text("3")
    made = recipe(detector1__image2={"function": "stripes.add", "files": ["level.txt"]})
    asked = effective_parameters(made, IMAGE)["image2"]
    parameters = files.with_absolute_paths(resolve("image2", [asked]).parameters, folder)
    derivation = records.derivation(
        parameters=parameters, references=files.file_digests(parameters)
    )
    key = key_of(derivation)
    files.check_files(derivation)
    (folder / "level.txt").write_text("4")

    with pytest.raises(CalibrationError, match=r"level\.txt \(between_files\[0\]\) has changed"):
        files.check_files(derivation)

    edited = replace(derivation, references=files.file_digests(parameters))
    moved = replace(derivation, parameters={**parameters, "between_files": ["/else/level.txt"]})
    assert key_of(edited) != key == key_of(moved)


@pytest.mark.parametrize(
    ("between", "told"),
    [
        ({"detector1__image3": "stripes.double"}, "not two consecutive pipelines; allowed"),
        ({"detector1__image2": "strips.double"}, "there is no module strips in"),
        ({"detector1__image2": "stripes.duoble"}, "stripes.py defines no duoble"),
        ({"detector1__image2": "double"}, "there is no module double in"),
        ({"detector1__image2": "fix.sh {0}"}, "expected a function of your own module"),
        ({"detector1__image2": "stripes.two"}, "two needs 2 arguments (model, strength)"),
        ({"detector1__image2": "stripes.none"}, "none takes no argument"),
        ({"detector1__image2": ["stripes.keyword"]}, "keyword needs 2 arguments (model, order)"),
        ({"detector1__image2": "stripes.Step"}, "Step is a class"),
        ({"detector1__image2": "stripes.later"}, "later is async"),
        (
            {"detector1__image2": 5},
            "module.function, a list of functions, or {function: ..., files:",
        ),
        (
            {"detector1__image2": {"function": "stripes.double", "files": ["none.txt"]}},
            "found 'none.txt', expected a file that can be read",
        ),
        (
            {"detector1__image2": {"function": "stripes.double", "files": ["l.txt", "x/l.txt"]}},
            "two files are named l.txt",
        ),
    ],
)
def test_what_cannot_be_called_is_a_mistake(folder, between, told):
    """Told with its place, without running any of the user's code."""
    (folder / "stripes.py").write_text(f"raise RuntimeError('executed')\n{SOURCE}")

    with pytest.raises(ConfigError) as caught:
        recipe(**between)

    (line,) = caught.value.mistakes
    assert line.startswith("recipes.deep.between.detector1..image") and told in line


@pytest.mark.usefixtures("folder")
def test_what_can_be_called_with_a_model_is_no_mistake():
    """Further arguments with defaults, and functions of installed packages."""
    functions = ("stripes.optional", "numpy.copy")

    made = recipe(detector1__image2=list(functions))

    assert made.between == {"detector1..image2": functions}


@pytest.mark.usefixtures("folder")
def test_an_extending_recipe_may_take_a_function_out():
    """By an empty list."""
    deep = {"between": {"detector1..image2": "stripes.double"}}
    plain = {"extends": "deep", "between": {"detector1..image2": []}}
    raw = {"programs": [{"program": 1}], "recipes": {"deep": deep, "plain": plain}}

    found = {each.name: effective_parameters(each, IMAGE) for each in parse(raw).recipes}

    assert found["plain"] == {} and found["deep"] != {}


# ---- running ---------------------------------------------------------------------------------


def test_what_functions_return_takes_the_place_of_the_file(folder):
    """In order; the object behind the link stays as it was, and the file keeps its name."""
    apply_functions(["stripes.double", "stripes.anew"], ["a_rate.fits"], folder)

    assert (pixels(folder / "a_rate.fits"), pixels(folder / "object")) == (3.0, 1.0)
    with open_model(folder / "a_rate.fits") as model:
        assert (type(model), model.meta.filename) == (ImageModel, "a_rate.fits")


def test_a_function_finds_its_files_in_its_working_directory(folder, monkeypatch):
    """Under their names, so a recipe can be moved with them."""
    (folder / "x" / "level.txt").write_text("3")
    link_files([str(folder / "x" / "level.txt")], folder)

    apply_functions(["stripes.add"], ["a_rate.fits"], folder)

    assert pixels(folder / "a_rate.fits") == 4.0


def test_only_what_a_pipeline_made_goes_through(folder):
    """Catalogues and direct images beside it do not."""
    (folder / "a_i2d.fits").symlink_to(folder / "object")

    apply_functions(["stripes.double"], ["a_i2d.fits", "a_cat.ecsv"], folder)

    assert pixels(folder / "a_i2d.fits") == 1.0


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("fail", r"stripes\.fail failed on a_rate\.fits: ValueError: no stripes here"),
        ("nothing", "expected ImageModel as the returned model, found nothing"),
        ("other", "expected ImageModel as the returned model, found CubeModel"),
    ],
)
def test_a_broken_contract_is_that_exposure_s_failure(folder, function, told):
    """With the function, the file, and what was expected."""
    with pytest.raises(CalibrationError, match=told):
        apply_functions([f"stripes.{function}"], ["a_rate.fits"], folder)

    assert (folder / "a_rate.fits").is_symlink()
