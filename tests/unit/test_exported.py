"""Files of parameters that strun writes: read into a recipe, checked, and overlaid."""

from pathlib import Path

import pytest

from jwmirror.core.errors import ConfigError
from jwmirror.pipeline.parameters.exported import read_exported
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
        (
            {"detector1": "cores.cfg"},
            "detector1 (cores.cfg).detector1.steps.jump.edge",
            "whole number",
        ),
        ({"detector1": "typo.cfg"}, "detector1 (typo.cfg).detector1.steps.jmup", "mean 'jump'?"),
    ],
)
def test_a_file_that_cannot_be_is_a_mistake(written, parameters, place, told):
    """Absent, unreadable, of another pipeline or step, incomplete, or wrong in what it says."""
    head = "name = Detector1Pipeline\n[steps]\n"
    (written / "more.cfg").write_text(f"{head}[[jump]]\nconfig_file = jump.cfg\n")
    (written / "broken.cfg").write_text("[steps\n")
    (written / "cores.cfg").write_text(f"{head}[[jump]]\nedge_size = lots\n")
    (written / "typo.cfg").write_text(f"{head}[[jmup]]\nskip = True\n")

    (line,) = mistakes(parameters)

    assert line.startswith(f"recipes.deep.parameters.{place}")
    assert told in line


# ---- each rule by itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "step", "expected"),
    [
        ("save_bsub = True", "", {"save_bsub": "True"}),
        ("save_bsub = True", "photom", {"save_bsub": "True"}),
        ("name = Image2Pipeline\nskip = False", "", {}),
        ("class = jwst.pipeline.Image2Pipeline\nskip = True", "", {"skip": "True"}),
        ("class = jwst.photom.PhotomStep\nskip = False\noutput_dir = x", "photom",
         {"skip": "False"}),
        ("class = jwst.pipeline.Image2Pipeline\nname = other\n[steps]\n[[photom]]\nsuffix = x\n"
         "inverse = True", "", {"steps": {"photom": {"inverse": "True"}}}),
    ],
)  # fmt: skip
def test_what_a_file_sets_is_read(tmp_path, text, step, expected):
    """Without locations and names of files; `skip: False` of a whole pipeline says nothing."""
    (tmp_path / "a.cfg").write_text(text)

    assert read_exported(tmp_path / "a.cfg", "image2", step) == expected


PHOTOM, IMAGE2 = "class = jwst.photom.PhotomStep", "class = jwst.pipeline.Image2Pipeline"


@pytest.mark.parametrize(
    ("text", "step", "found", "wanted"),
    [
        (PHOTOM, "", "PhotomStep", "image2"),
        (IMAGE2, "photom", "Image2Pipeline", "the step photom"),
        (f"{PHOTOM}\n[steps]\n", "photom", "PhotomStep", "the step photom"),
        ("class = x.Image3Pipeline\nname = Image2Pipeline", "", "Image3Pipeline", "image2"),
        ("name = Image3Pipeline\n[steps]\n", "", "Image3Pipeline", "image2"),
    ],
)
def test_a_file_of_another_pipeline_or_step_is_refused(tmp_path, text, step, found, wanted):
    """Its class decides, or its name without one; a pipeline has steps."""
    path = tmp_path / "a.cfg"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        read_exported(path, "image2", step)

    assert caught.value.mistakes == [
        f"{path} has the parameters of {found}, expected those of {wanted}"
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("config_file = other.cfg", "it includes other.cfg"),
        ("[steps]\n[[photom]]\nconfig_file = other.cfg", "photom includes other.cfg"),
    ],
)
def test_included_files_are_refused_with_the_way_out(tmp_path, text, what):
    """In the pipeline and in its steps."""
    path = tmp_path / "a.cfg"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        read_exported(path, "image2")

    assert caught.value.mistakes == [
        f"{path}: {what}, and included files are not read; name that file in the recipe (from: "
        "other.cfg)"
    ]


def test_a_file_that_cannot_be_read_is_told_with_what_was_expected(tmp_path):
    """Missing, a folder, or of another form."""
    (tmp_path / "broken.cfg").write_text("[steps\n")
    expected = "expected a file of parameters as `strun --save-parameters` or export_config writes"

    for name, why in {
        "none.cfg": "No such file or directory",
        "": "Is a directory",
        "broken.cfg": "Invalid line",
    }.items():
        with pytest.raises(ConfigError) as caught:
            read_exported(tmp_path / name, "image2")
        (line,) = caught.value.mistakes
        assert line.startswith(f"{expected}; {tmp_path / name}: ") and why in line


def test_a_small_file_whose_aliases_repeat_without_bound_is_a_mistake(tmp_path):
    """It is refused before its tree is built, which would take all memory."""
    anchors = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    tree = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *anchors])
    bomb = tmp_path / "bomb.asdf"
    bomb.write_text(f"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n---\n{tree}\n...\n")

    (mistake,) = mistakes({"detector1": str(bomb)})

    assert "bomb.asdf" in mistake and "nodes" in mistake
