"""`jwmirror new-step`: what it writes can be run as it stands, and overwrites nothing."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from jwmirror.cli import app
from tests.setup.configs import parse


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> None:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)


def new_step(name: str, code: int = 0) -> str:
    """What `jwmirror new-step NAME` says."""
    result = CliRunner().invoke(app, ["new-step", name])
    assert result.exit_code == code, result.output
    return result.output


def test_what_is_written_passes_its_own_test_and_the_check(tmp_path):
    """The module can be named in a recipe at once; its test runs where it stands."""
    said = new_step("fix_stripes")

    raw = {"between": {"detector1..image2": "fix_stripes.fix_stripes"}}
    tried = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_fix_stripes.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert '"detector1..image2": fix_stripes.fix_stripes' in said
    assert parse({"programs": [{"program": 1}], "recipes": {"deep": raw}}).recipes[0].between
    assert tried.returncode == 0 and "1 passed" in tried.stdout, tried.stdout


@pytest.mark.parametrize("taken", ["fix_stripes.py", "test_fix_stripes.py"])
def test_nothing_is_overwritten(tmp_path, taken):
    """Neither file is written if one of them is there."""
    (tmp_path / taken).write_text("mine")

    said = new_step("fix_stripes", code=2)

    assert taken in said and "exists already" in said
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["fix-stripes", "class", "numpy", "../fix", "json"])
def test_a_name_that_cannot_be_is_refused(tmp_path, name):
    """No name of Python's, or one that would hide a module."""
    assert "choose another" in new_step(name, code=2)

    assert list(tmp_path.iterdir()) == []
