"""Files of parameters that strun writes: read into a recipe, checked, and overlaid."""

from pathlib import Path

import pytest

from jwmirror.core.errors import ConfigError
from jwmirror.pipeline.parameters.resolution import effective_parameters, resolve
from tests.setup.configs import parse

OLD = """
name = "Detector1Pipeline"
class = "jwst.pipeline.Detector1Pipeline"
save_calibrated_ramp = True
    [steps]
      [[jump]]
        rejection_threshold = 5.5
        maximum_cores = none
      [[ipc]]
        skip = True
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A folder of files that stpipe itself has written."""
    from jwst.jump import JumpStep
    from jwst.pipeline import Detector1Pipeline, Image3Pipeline

    folder = tmp_path_factory.mktemp("exported")
    pipeline = Detector1Pipeline(save_calibrated_ramp=True)
    pipeline.jump.rejection_threshold = 5.5
    pipeline.jump.maximum_cores = "none"
    pipeline.ipc.skip = True
    pipeline.export_config(folder / "detector1.asdf")
    Image3Pipeline().export_config(folder / "image3.asdf")
    JumpStep(rejection_threshold=6.5).export_config(folder / "jump.asdf")
    (folder / "old.cfg").write_text(OLD)
    return folder


@pytest.fixture(autouse=True)
def here(written, monkeypatch) -> None:
    """Names of files start where the files are."""
    monkeypatch.chdir(written)


def said(parameters: object) -> dict:
    """What a recipe with these parameters says of detector1, resolved."""
    raw = {"programs": [{"program": 1}], "recipes": {"deep": {"parameters": parameters}}}
    (recipe,) = parse(raw).recipes
    return resolve("detector1", [effective_parameters(recipe, "{}")["detector1"]]).parameters


def mistakes(parameters: object) -> list[str]:
    """What is wrong with these parameters of recipe deep."""
    with pytest.raises(ConfigError) as caught:
        said(parameters)
    return caught.value.mistakes


@pytest.mark.parametrize("name", ["detector1.asdf", "old.cfg"])
def test_a_file_says_what_it_was_exported_with(name):
    """Both formats, as stpipe itself resolves them."""
    found = said({"detector1": name})

    assert found["save_calibrated_ramp"] is True
    assert found["steps"]["jump"]["rejection_threshold"] == 5.5
    assert found["steps"]["ipc"] == {"skip": True}


def test_both_formats_of_one_state_give_the_same():
    """The old one names fewer parameters; the others have their defaults."""
    assert said({"detector1": "detector1.asdf"}) == said({"detector1": "old.cfg"})


def test_what_stands_beside_a_file_is_laid_over_it():
    """Of the pipeline, and of a step that has a file of its own."""
    content = {"from": "detector1.asdf", "jump": {"from": "jump.asdf", "edge_size": 9}}

    jump = said({"detector1": content})["steps"]["jump"]

    assert (jump["rejection_threshold"], jump["edge_size"]) == (6.5, 9)
    assert said({"detector1": content})["steps"]["ipc"] == {"skip": True}


def test_what_is_laid_over_a_file_need_not_be_right_in_it(written):
    """A file from another machine, with more processes than are allowed here."""
    (written / "cores.cfg").write_text(
        "name = Detector1Pipeline\n[steps]\n[[jump]]\nmaximum_cores = all\n"
    )

    found = said({"detector1": {"from": "cores.cfg", "jump": {"maximum_cores": "none"}}})

    assert found["steps"]["jump"]["maximum_cores"] == "1"  # the default


def test_only_the_content_of_a_file_counts(written):
    """A moved file says the same."""
    (written / "moved.asdf").write_bytes((written / "detector1.asdf").read_bytes())

    assert said({"detector1": "moved.asdf"}) == said({"detector1": "detector1.asdf"})


@pytest.mark.parametrize(
    ("parameters", "place", "told"),
    [
        ({"detector1": "none.asdf"}, "detector1: found 'none.asdf'", "No such file"),
        ({"detector1": "image3.asdf"}, "detector1: found", "of Image3Pipeline, expected those of"),
        ({"detector1": "jump.asdf"}, "detector1: found", "of JumpStep, expected those of"),
        (
            {"detector1": {"jump": {"from": "image3.asdf"}}},
            "detector1.jump: found",
            "the step jump",
        ),
        ({"detector1": {"from": 5}}, "detector1: found 5", "expected the name of a file"),
        ({"detector1": "more.cfg"}, "detector1: found", "jump includes jump.cfg"),
        ({"detector1": "broken.cfg"}, "detector1: found", "Invalid line"),
        ({"detector1": "cores.cfg"}, "detector1 (cores.cfg).detector1.steps.jump.max", "compete"),
        ({"detector1": "typo.cfg"}, "detector1 (typo.cfg).detector1.steps.jmup", "mean 'jump'?"),
    ],
)
def test_a_file_that_cannot_be_is_a_mistake(written, parameters, place, told):
    """Absent, unreadable, of another pipeline or step, incomplete, or wrong in what it says."""
    head = "name = Detector1Pipeline\n[steps]\n"
    (written / "more.cfg").write_text(f"{head}[[jump]]\nconfig_file = jump.cfg\n")
    (written / "broken.cfg").write_text("[steps\n")
    (written / "cores.cfg").write_text(f"{head}[[jump]]\nmaximum_cores = lots\n")
    (written / "typo.cfg").write_text(f"{head}[[jmup]]\nskip = True\n")

    (line,) = mistakes(parameters)

    assert line.startswith(f"recipes.deep.parameters.{place}")
    assert told in line
