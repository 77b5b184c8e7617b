"""What is told of a config that is right, and may not do what its writer thinks."""

import os
from dataclasses import replace

import pytest
import yaml
from typer.testing import CliRunner

from jwmirror.cli import app
from jwmirror.core.model import Recipe, Selection
from jwmirror.services.configure.advice import config_advice
from jwmirror.services.configure.check import check_config

DEEP = Recipe(name="deep", programs=(1345,))
RATES = Selection(program=1345, products=("uncal", "rate"))


@pytest.mark.parametrize(
    "selections",
    [
        [Selection(program=1345)],
        [Selection(program=1345, products=("uncal", "asn"), observations=(4,), levels=(1,))],
        [Selection(program=1345, files=("*_uncal.fits", "*-o001_*_image3_*_asn.json"))],
        [RATES, Selection(program=1345, products=("asn",))],
    ],
)
def test_a_program_with_its_associations_needs_no_advice(selections):
    """However they are selected, and by whichever of a program's selections."""
    assert list(config_advice(selections, [DEEP])) == []


@pytest.mark.parametrize(
    "selection",
    [
        RATES,
        Selection(program=1345, products=("recommended",)),
        Selection(program=1345, exclude=("*.json", "*.csv")),
        Selection(program=1345, files=("*.fits",)),
    ],
)
def test_a_program_without_associations_is_told_with_what_that_costs(selection):
    """Settling is lost, and what the program's recipes would combine."""
    (line,) = config_advice([selection, Selection(program=2107)], [DEEP])

    assert line.startswith("program 1345 is mirrored without its associations")
    assert "(settle)" in line and "(recipe deep)" in line and "add asn" in line


def test_with_the_pool_only_settling_is_lost():
    """Recipes have their associations made from it."""
    (line,) = config_advice([replace(RATES, products=("uncal", "pool"))], [DEEP])

    assert "settle" in line and "recipe" not in line


def test_a_recipe_of_stage_1_or_of_other_programs_loses_nothing():
    """Only settling is told of then."""
    recipes = [Recipe(name="ramps", programs=(1345,), stages=(1,)), Recipe(name="x", programs=(2,))]

    (line,) = config_advice([RATES], recipes)

    assert "settle" in line and "recipe" not in line


def test_check_tells_it_and_the_config_stays_right(tmp_path):
    """A note is no mistake: exit code 0."""
    config = tmp_path / "config.yaml"
    config.write_text("programs: [{program: 1345, products: [uncal]}]\n")

    done = CliRunner().invoke(app, ["check", "--config", str(config)])

    assert done.exit_code == 0
    assert "no mistakes" in done.output
    assert "Note: program 1345 is mirrored without its associations" in done.output


@pytest.mark.parametrize(
    ("criteria", "hint"),
    [
        ("products: [rtae]", "programs[0].products: unknown suffix 'rtae'; did you mean 'rate'?"),
        ("filters: [F445W]", "programs[0].filters: unknown filter or pupil 'F445W'; did you mean"),
        ("filters: [F444W+F40N]", "unknown filter or pupil 'F40N'"),
        ("detectors: [NRCA5]", "unknown detector 'NRCA5'; did you mean 'NRCA4', "),
        ("exposure_types: [NRC_IMG]", "unknown exp_type 'NRC_IMG'; did you mean"),
        ("instruments: [NIRCAN]", "did you mean 'NIRCAM'?"),
        ("gratings: [G395]", "unknown grating 'G395'; did you mean"),
        (
            "exclude: [{file: jw1*, because: lost}]",
            'expected a pattern of file names, such as "*_nrcblong_*" (`exclude` of a recipe has',
        ),
    ],
)
def test_a_selection_that_nothing_known_meets_is_a_mistake(tmp_path, criteria, hint):
    """By the lists of the installed jwst, before MAST is asked."""
    config = tmp_path / "config.yaml"
    config.write_text(f"programs:\n- program: 1345\n  {criteria}\n")

    (mistake,) = check_config(config).mistakes

    assert hint in mistake


@pytest.mark.parametrize(
    "criteria",
    ["filters: [f444w + F405N, F200W]", "products: [wfscmb-04, thumb, recommended, ami-oi]",
     "detectors: [GUIDER1, MIRIFULONG]", "exposure_types: [MIR_LRS-FIXEDSLIT]",
     "subarrays: [SUB9999]"],
)  # fmt: skip
def test_a_selection_of_what_exists_is_right(tmp_path, criteria):
    """Subarrays are introduced without a new jwst, so any may exist."""
    config = tmp_path / "config.yaml"
    config.write_text(f"programs:\n- program: 1345\n  {criteria}\n")

    assert check_config(config).mistakes == ()


@pytest.mark.parametrize("key", ["thresholds", "parameters"])
def test_a_huge_file_that_a_config_names_is_not_read(tmp_path, key):
    """A file with a hole of 30 GB takes no disk, and would take all memory."""
    huge = tmp_path / "huge.asdf"
    huge.touch()
    os.truncate(huge, 30 << 30)
    recipes = {"q": {"stages": [1], "parameters": {"detector1": str(huge)}}}
    named = {"thresholds": str(huge)} if key == "thresholds" else {"recipes": recipes}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"programs": [1345], **named}))

    (mistake,) = check_config(path).mistakes

    assert "more than 16777216 bytes" in mistake


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "gaia: {refresh: 3}",
            "found 'gaia' beside `references`; it belongs in it: `references: {",
        ),
        ("refresh: 3", "unknown key 'refresh' at the top level; "),
        ("url: https://x", "unknown key 'url' at the top level"),  # of which section?
        ("references: {gaia: GAIADR3}", "expected keys with values, such as {refresh: 180}"),
        ("recipes: {deep: {steps: [{spec2: x}]}}", "expected a step with its pipeline, such as"),
        ("recipes: {deep: {associations: [{file: x}]}}", "expected the name of an association fi"),
    ],
)
def test_a_key_or_a_value_of_another_form_is_one_mistake_with_an_example(tmp_path, line, words):
    """Also of a key that is written one level too high."""
    config = tmp_path / "config.yaml"
    config.write_text(f"programs: [1345]\n{line}\n")

    (mistake,) = check_config(config).mistakes

    assert mistake.startswith(f"{config}, line 2: ") and words in mistake
