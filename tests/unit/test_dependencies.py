"""What kept answers depend on: files that files name, code outside the package, what is stored."""

import json
from pathlib import Path

import pytest

from jwmirror.core.model import Recipe
from jwmirror.services.kept import dependencies
from jwmirror.services.kept.dependencies import own_files_digest, software_digest
from tests.setup.configs import parse

EXPORTED = """
name = "Detector1Pipeline"
class = "jwst.pipeline.Detector1Pipeline"
    [steps]
      [[jump]]
        pre_hooks = own_hook.scale,
      [[dark_current]]
        override_dark = darks/own dark.asdf
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The folder where names of files start, with a parameter file and what it names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exported.cfg").write_text(EXPORTED)
    (tmp_path / "own_hook.py").write_text("def scale(model):\n    return model\n")
    (tmp_path / "darks").mkdir()
    (tmp_path / "darks" / "own dark.asdf").write_text("#ASDF first")
    return tmp_path


def files_of(parameters: object) -> str:
    """The digest of the files of a config whose recipe has these parameters."""
    raw = {"programs": [{"program": 1}], "recipes": {"deep": {"parameters": parameters}}}
    config = parse(raw, check_parameters=False)
    return own_files_digest([config.content, config.recipes], Path.cwd())


@pytest.mark.parametrize("name", ["exported.cfg", "own_hook.py", "darks/own dark.asdf"])
def test_what_a_parameter_file_names_counts_by_content(here, name):
    """The config names only that file."""
    before = files_of({"detector1": "exported.cfg"})

    with open(here / name, "a") as file:
        file.write("# changed\n")

    assert files_of({"detector1": "exported.cfg"}) != before


@pytest.mark.parametrize("members", [2, 20_000])
def test_members_of_an_own_association_count_however_long_its_file_is(here, members):
    """And also if their names have spaces."""
    names = [{"expname": f"own {n:06d} cal.fits", "exptype": "science"} for n in range(members)]
    association = {
        "asn_type": "image3",
        "program": "1",
        "products": [{"name": "own", "members": names}],
    }
    (here / "own.json").write_text(json.dumps(association))
    member = here / names[-1]["expname"]
    member.write_bytes(b"first")
    recipe = Recipe(name="own", programs=(), associations=("own.json",))
    before = own_files_digest([recipe], here)

    member.write_bytes(b"second")

    assert own_files_digest([recipe], here) != before


@pytest.mark.parametrize("name", ["config/schema.yaml", "rules/plan.smk", "scripts/fetch.py"])
def test_the_workflow_and_the_schema_are_software(tmp_path, monkeypatch, name):
    """The schema has the defaults of the config; both are outside the package."""
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text("first\n")
    monkeypatch.setattr(dependencies, "workflow_folder", lambda: tmp_path)
    before = software_digest([""])

    path.write_text("second\n")

    assert software_digest([""]) != before
