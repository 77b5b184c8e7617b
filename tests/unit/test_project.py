"""The files about the project agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, BUILD = PYPROJECT["project"], PYPROJECT["dependency-groups"]["build"]
LOCKS = sorted(path.stem for path in (ROOT / "envs").glob("*.lock"))


def test_citation_names_the_version_of_the_package():
    """CITATION.cff repeats the version in pyproject.toml, so that a citation names it."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())

    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_changelog_begins_with_the_version_of_the_package():
    """The newest heading of CHANGELOG.md is the version in pyproject.toml."""
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)

    assert newest[1] == PROJECT["version"]


@pytest.mark.parametrize("group", ["dependencies", "build", *PROJECT["optional-dependencies"]])
def test_each_dependency_has_a_reason(group):
    """docs/decisions/0001-dependencies.md names every package of pyproject.toml."""
    page = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text()
    named = set(re.findall(r"[a-z][a-z0-9-]+", page.lower()))
    requirements = {"dependencies": PROJECT["dependencies"], "build": BUILD}
    requirements |= PROJECT["optional-dependencies"]

    packages = {re.match(r"[A-Za-z0-9-]+", line)[0] for line in requirements[group]}

    assert packages - named == set()


def locked(name: str = "jwmirror") -> dict[str, str]:
    """Package -> version, of a lock in envs/."""
    text = (ROOT / "envs" / f"{name}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.M))


def test_conda_file_names_the_versions_of_the_lock():
    """Whoever runs with --sdm conda gets the packages that pip users and the tests get."""
    conda = yaml.safe_load((ROOT / "envs" / "jwmirror.yaml").read_text())
    pip = next(each["pip"] for each in conda["dependencies"] if isinstance(each, dict))

    named = dict(each.split("==") for each in pip)
    requirements = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["recalibrate"]]
    needed = {re.match(r"[a-z0-9-]+", each)[0] for each in requirements}

    assert set(named) == needed
    assert named == {name: locked()[name] for name in named}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_hashed_and_names_no_index(name):
    """Every package in it has a hash, and none a place to get it from."""
    text = (ROOT / "envs" / f"{name}.lock").read_text()

    assert locked(name)
    assert text.count("==") <= text.count("--hash=sha256:")
    assert "://" not in text and "--index" not in text and "--find-links" not in text


def test_users_do_not_install_what_only_tests_need():
    """What both install has one version, so that tests are of what users have."""
    users, developers, build = map(locked, ("jwmirror", "development", "build"))

    assert users.items() <= developers.items()
    assert len(users) > 50 and not {"pytest", "moto", "mypy", "ruff", "sphinx"} & users.keys()
    assert {"pytest", "moto", "mypy", "ruff", "sphinx"} <= developers.keys()
    assert all(developers.get(name, build[name]) == build[name] for name in build)


def test_what_is_built_is_built_with_hashed_packages():
    """`make install` lets pip fetch nothing that is not in a lock."""
    makefile = (ROOT / "Makefile").read_text()

    assert set(PYPROJECT["build-system"]["requires"]) <= set(BUILD)
    installs = re.findall(r"pip install.*|\$\(PIP\) .*", makefile)
    assert installs[0].startswith("pip install") and len(installs) == 4
    for call in installs[1:]:
        assert "--no-build-isolation" in call or "--only-binary :all:" in call
        assert "--require-hashes" in call or "--no-deps -e ." in call
