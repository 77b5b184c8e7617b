"""A mirror without recipes in an environment without jwst, carried to a site without internet."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from demo.acts import LARGER, SAME_SIZE
from demo.site import ROOT, Site
from tests.conftest import need
from tests.setup import namespaces
from tests.setup.lean_environment import make_lean_environment

RECIPE = {"stages": [1], "observations": [2], "detectors": ["NRCA1"], "parameters": {}, "where": []}
SENTENCE = (
    "recipes: recalibration needs the packages crds, jwst, stcal, stdatamodels, stpipe, which "
)
NOBODY = "https://nobody.invalid"


@pytest.fixture(scope="module")
def lean_python(tmp_path_factory):
    """The Python of an environment with the dependencies of jwmirror, and without its extras."""
    return str(make_lean_environment(tmp_path_factory.mktemp("lean") / "venv"))


@pytest.fixture
def lean_site(fresh_site, lean_python, monkeypatch):
    """A site whose programs run in that environment, without recipes."""
    fresh_site.configure(recipes=None)
    monkeypatch.setattr(sys, "executable", lean_python)
    return fresh_site


@pytest.mark.slow
def test_a_mirror_without_recipes_needs_no_jwst(lean_site, lean_python):
    """Runs, and all commands on what they made. Recipes are refused in one sentence."""
    site = lean_site
    site.snakemake()
    first = site.tally()
    for name in (SAME_SIZE, LARGER):
        site.observatory.reprocess(name, same_size=name == SAME_SIZE)

    site.snakemake()
    second, headers = site.tally(), {entry.header for entry in site.entries().values()}
    unchanged, answers = site.snakemake(), commands(site)
    site.configure(recipes={"deep": RECIPE})
    refused = site.snakemake(expect=2)

    assert len(first.fetched) > 50 and {SAME_SIZE, LARGER} <= second.fetched
    assert "generation 2 is unchanged" in unchanged
    assert headers == {""}
    assert "recipes none" in answers["check"] and "not needed" in answers["doctor"]
    assert "pixels changed" in answers["diff"]
    assert "Nothing needs to be recalibrated" in answers["status"]
    assert SENTENCE in refused and lean_python.removesuffix("/bin/python") in refused
    assert "Traceback" not in refused


@pytest.mark.slow
def test_a_mirror_is_recalibrated_at_a_site_without_internet(lean_site, monkeypatch):
    """It is carried in with a bundle of references; nobody is asked there, nor could be."""
    need(namespaces.missing())
    lean_site.snakemake()
    monkeypatch.undo()  # the bundle needs jwst
    lean_site.configure(recipes={"deep": RECIPE})
    folder = lean_site.folder / "bundle"
    words = ("references", "bundle", "--sync", "--to", str(folder), "--json")
    bundle = json.loads(lean_site.jwmirror_on_config(*words))

    inside = Site(lean_site.folder / "inside", lean_site.observatory)
    inside.folder.mkdir()
    shutil.copytree(lean_site.mirror, inside.mirror, symlinks=True)
    shutil.copytree(folder, inside.folder / "references")
    references = {"url": NOBODY, "cache": str(inside.folder / "references")}
    archive, deep = {"url": NOBODY, "source": "none"}, {"deep": RECIPE}
    inside.configure(archive=archive, references=references, recipes=deep)
    refused, _ = run_without_network(inside)
    references["context"] = bundle["context"]
    inside.configure(archive=archive, references=references, recipes=deep)
    output, code = run_without_network(inside)
    made = inside.tally().computed
    again, _ = run_without_network(inside)
    status = inside.jwmirror_on_config("status").decode()
    inside.mirror.rename(inside.folder / "old")
    shutil.copytree(lean_site.mirror, inside.mirror, symlinks=True)
    for name in ("objects", "provenance"):
        earlier = inside.folder / "old" / name
        shutil.copytree(earlier, inside.mirror / name, dirs_exist_ok=True, copy_function=add)
    run_without_network(inside)

    assert f"has: {bundle['context']}." in refused and "Traceback" not in refused
    assert code == 0, output
    assert made == {"detector1": 3}
    assert "generation 2 is new" in output and "generation 2 is unchanged" in again
    assert "did not ask MAST" in status
    assert inside.tally().computed == {}
    assert {entry.origin for entry in inside.entries().values()} == {"upstream", "deep"}


def add(source, target):
    """Copy a file that is not there yet, as rsync does: a name of the store has one content."""
    if not os.path.lexists(target):
        shutil.copy2(source, target)


def run_without_network(site):
    """What snakemake prints in a namespace without routes, and its exit code."""
    words = ["unshare", "--map-root-user", "--net", sys.executable, "-m", *site.command()]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode


def commands(site):
    """What each command that needs no recipe prints; each must exit with 0."""
    config, mirror = ["--config", site.config_file], ["--mirror", site.mirror]
    calls = {
        "check": config,
        "doctor": config,
        "plan": config,
        "status": config,
        "explain": [SAME_SIZE, *config],
        "log": mirror,
        "failures": mirror,
        "diff": ["1", "2", SAME_SIZE, *mirror],
        "verify": ["--full", *mirror],
        "references": ["verify", *config],
        "pin": ["paper", "1", *mirror],
        "checkout": ["1", "--to", site.folder / "checkout", *mirror],
        "freeze": ["2", "--to", site.folder / "bag", *mirror],
        "prune": ["--keep-last", "1", "--dry-run", *mirror],
        "rollback": ["1", "--dry-run", *mirror],
        "adopt": [site.folder / "checkout", "--dry-run", *config],
    }
    answers = {}
    for command, words in calls.items():
        call = [sys.executable, "-m", "jwmirror.cli", command, *map(str, words)]
        done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        answers[command] = done.stdout
    return answers
