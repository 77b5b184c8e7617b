"""Where a config sets the parameters of recipes: the line, the file or the option."""

import pytest

from jwmirror.config.load import build_config, read_content
from jwmirror.config.sources import read_sources
from jwmirror.core.model import Reason
from jwmirror.core.model.history.reasons import place_of_reason

BEGIN = "mirror: m\nprograms: [{program: 1345}]\nrecipes:\n"
EXPORTED = "name = JumpStep\nclass = jwst.jump.JumpStep\nrejection_threshold = 7.5\n"
SHARED = """  base:
    parameters:
      detector1: {jump: {rejection_threshold: 6}}
  deep: {extends: base}
"""
BLOCKS = """  deep:
    parameters:
      Detector1Pipeline:
        steps:
          jump: {rejection_threshold: 6.0, flag_4_neighbors: True}
      image2: {flat_field: {override_flat: my/flat.fits}}
    where:
      - match: {filter: F150W}
        parameters:
          detector1:
            jump:
              rejection_threshold: 6.5
"""
FILES = """  deep:
    parameters:
      detector1:
        jump:
          from: {file}
          flag_4_neighbors: true
"""
THRESHOLD = "jump.rejection_threshold"


@pytest.fixture
def place_of(tmp_path):
    """Where the config with these recipes sets a new value, without the folder of the config."""
    (tmp_path / "jump.cfg").write_text(EXPORTED)
    path = tmp_path / "config.yaml"

    def place(recipes: str, new: str, name: str = THRESHOLD, settings=(), stage="detector1") -> str:
        path.write_text(f"{BEGIN}{recipes.replace('{file}', str(tmp_path / 'jump.cfg'))}")
        config = build_config(read_content(path, settings))
        cause = "reference" if "override" in name else "parameter"
        reason = Reason("", "4.0", new, stage, cause, name)
        found = place_of_reason(config.parameter_places, "deep", reason)
        return found.replace(f"{tmp_path}/", "")

    return place


def test_a_line_of_the_recipe_or_of_the_one_that_it_extends(place_of):
    """Where the value is the one that is set: 6 is 6.0, and another value comes from elsewhere."""
    assert place_of(SHARED, "6.0") == "line 6 of config.yaml"
    assert place_of(SHARED, "5.0") == ""
    assert place_of(SHARED, "6.0", "jump.skip") == ""


def test_a_block_or_the_recipe_itself_by_the_value(place_of):
    """Under other names of the pipeline, and with `steps`, too; and files of the user."""
    assert place_of(BLOCKS, "6.0") == "line 8 of config.yaml"
    assert place_of(BLOCKS, "6.5") == "line 15 of config.yaml"
    assert place_of(BLOCKS, "true", "jump.flag_4_neighbors") == "line 8 of config.yaml"
    override = place_of(BLOCKS, "flat.fits", "flat_field.override_flat", stage="image2")
    assert override == "line 9 of config.yaml"


def test_a_parameter_file_and_the_line_that_names_it(place_of):
    """What the recipe itself sets has its own line."""
    assert place_of(FILES, "7.5") == "jump.cfg, named in line 8 of config.yaml"
    assert place_of(FILES, "true", "jump.flag_4_neighbors") == "line 9 of config.yaml"


def test_a_setting_of_one_run(place_of, tmp_path):
    """In the config, by an option of a command, and by one of Snakemake."""
    setting = "deep.detector1.jump.rejection_threshold=8"
    in_file = f"{SHARED}set: [{setting}]\n"
    option = f"set={setting}"

    assert place_of(in_file, "8.0") == "line 8 of config.yaml"
    assert place_of(in_file, "9.0", settings=[setting.replace("8", "9")]) == "--set"
    config = build_config(read_sources([tmp_path / "config.yaml"], [option]))
    reason = Reason("", "4.0", "8.0", "detector1", "parameter", THRESHOLD)
    assert place_of_reason(config.parameter_places, "deep", reason) == f"--config {option}"
