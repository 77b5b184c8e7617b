"""A mirror without recipes in an environment without jwst, which recalibrates later."""

import subprocess
import sys

import pytest

from demo.acts import LARGER, SAME_SIZE
from demo.site import ROOT
from tests.setup.lean_environment import make_lean_environment

STAGE_1 = {
    "stages": [1],
    "observations": [2],
    "detectors": ["NRCA1"],
    "parameters": {},
    "where": [],
}
SENTENCE = (
    "recipes: recalibration needs the packages crds, jwst, stcal, stdatamodels, stpipe, which "
)


@pytest.fixture(scope="module")
def lean_python(tmp_path_factory):
    """The Python of an environment with the dependencies of jwmirror, and without its extras."""
    return str(make_lean_environment(tmp_path_factory.mktemp("lean") / "venv"))


@pytest.mark.slow
def test_a_mirror_without_recipes_needs_no_jwst(fresh_site, lean_python, monkeypatch):
    """Two runs, and all commands on what they made; recipes are refused, and later carried out."""
    site = fresh_site
    site.configure(recipes=None)

    with monkeypatch.context() as lean:
        lean.setattr(sys, "executable", lean_python)
        site.snakemake()
        first = site.tally()
        for name in (SAME_SIZE, LARGER):
            site.observatory.reprocess(name, same_size=name == SAME_SIZE)
        site.snakemake()
        second, headers = site.tally(), {entry.header for entry in site.entries().values()}
        unchanged = site.snakemake()
        answers = commands(site, lean_python)
        site.configure(recipes={"deep": STAGE_1})
        refused = site.snakemake(expect=2)

    site.snakemake()

    assert len(first.fetched) > 50 and {SAME_SIZE, LARGER} <= second.fetched
    assert "generation 2 is unchanged" in unchanged
    assert headers == {""}
    assert "recipes none" in answers["check"] and "not needed" in answers["doctor"]
    assert "pixels" in answers["diff"] and SAME_SIZE in answers["diff"]
    assert "Nothing needs to be recalibrated" in answers["status"]
    assert SENTENCE in refused and lean_python.removesuffix("/bin/python") in refused
    assert "Traceback" not in refused
    assert site.tally().computed == {"detector1": 1}


def commands(site, python):
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
        "diff": ["1", "2", *mirror],
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
        call = [python, "-m", "jwmirror.cli", command, *map(str, words)]
        done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        answers[command] = done.stdout
    return answers
