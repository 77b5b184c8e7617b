"""`jwmirror params`: every parameter of the installed jwst, as a recipe would write it."""

import json

import pytest
from typer.testing import CliRunner

from jwmirror.cli import app
from jwmirror.pipeline.registry import PIPELINES
from jwmirror.services.configure.params import parameter_groups
from tests.setup.configs import parse


def params(*words: str, code: int = 0) -> str:
    """What `jwmirror params WORDS` says."""
    result = CliRunner().invoke(app, ["params", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_all_pipelines_and_their_steps_are_listed():
    """Ten lines, and no parameter whose type is not known."""
    lines = params().splitlines()

    assert {line.split()[0] for line in lines if line.startswith(" ")} >= PIPELINES.keys()
    assert all(
        each.type.isidentifier() for group in parameter_groups() for each in group.parameters
    )
    assert sum(len(group.parameters) for group in parameter_groups()) > 1000


def test_a_parameter_is_told_with_type_default_allowed_values_and_help():
    """As a table for people, and as JSON."""
    page = " ".join(params("image3.tweakreg.fitgeometry").split())
    (group,) = json.loads(params("detector1.jump", "--json"))["groups"]

    found = {each["name"]: each for each in group["parameters"]}
    assert "image3.tweakreg jwst.tweakreg.tweakreg_step.TweakRegStep" in page
    assert "fitgeometry option rshift shift, rshift, rscale, general" in page
    assert found["rejection_threshold"] == {
        "name": "rejection_threshold",
        "type": "float",
        "default": "4.0",
        "allowed": [],
        "minimum": "0",
        "maximum": None,
        "help": "CR sigma rejection threshold",
    }
    assert found["override_gain"]["type"] == "file"
    assert (group["pipeline"], group["step"], group["stage"]) == ("detector1", "jump", 1)


def test_what_jwmirror_decides_is_not_offered():
    """Where files go, leaving out a whole pipeline, more processes."""
    named = {
        (g.name, p.name): p for g in parameter_groups("Detector1Pipeline") for p in g.parameters
    }

    assert not {("detector1.jump", "output_dir"), ("detector1", "skip")} & named.keys()
    assert named["detector1.jump", "maximum_cores"].allowed == ("none", "'1'")


def test_every_default_can_be_said_in_a_recipe():
    """What the list shows is what a config accepts, for a pipeline with all kinds of types."""
    settings = [
        f"deep.{group.name}.{each.name}={each.default}"
        for group in parameter_groups("spec2")
        for each in group.parameters
        if each.default is not None
    ]

    raw = {"programs": [{"program": 1}], "recipes": {"deep": {}}, "set": settings}

    assert len(settings) > 250
    assert parse(raw).recipes[0].settings


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("detectr1", "unknown pipeline 'detectr1'; did you mean 'detector1'?"),
        ("detector1.jmup", "unknown step or parameter 'jmup'; did you mean 'jump'?"),
        ("detector1.jump.rejection_treshold", "did you mean 'rejection_threshold'"),
        ("tweakreg", "tweakreg is a step of image3; write image3.tweakreg"),
        ("rejection_threshold", "is a parameter of detector1.jump, "),
        ("photom.inverse", "write image2.photom.inverse, spec2.photom.inverse"),
    ],
)
def test_a_wrong_name_gets_suggestions(name, told):
    """The nearest right ones; exit code 2."""
    assert told in params(name, code=2)
