"""The files about the project agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_citation_names_the_version_of_the_package():
    """CITATION.cff repeats the version in pyproject.toml, so that a citation names it."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())

    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_changelog_begins_with_the_version_of_the_package():
    """The newest heading of CHANGELOG.md is the version in pyproject.toml."""
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)

    assert newest[1] == PROJECT["version"]


@pytest.mark.parametrize("group", ["dependencies", *PROJECT["optional-dependencies"]])
def test_each_dependency_has_a_reason(group):
    """docs/decisions/0001-dependencies.md names every package of pyproject.toml."""
    page = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text()
    named = set(re.findall(r"[a-z][a-z0-9-]+", page.lower()))
    requirements = {**PROJECT["optional-dependencies"], "dependencies": PROJECT["dependencies"]}

    packages = {re.match(r"[A-Za-z0-9-]+", line)[0] for line in requirements[group]}

    assert packages - named == set()
