"""Another environment answers for its own jwst; what runs there is recorded as what it is."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from jwmirror.core.errors import ConfigError
from jwmirror.pipeline.allowed_environments import ALLOWED
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.planning.resolvers.remote import RemoteResolver
from tests.conftest import need
from tests.setup.calibration import DEEP, ROOT, files_of, folder, observed  # noqa: F401

OLD = ROOT / ".venv-jwst-1.20" / "bin" / "python"
WRONG = {"detector1": {"jump": {"rejection_treshold": 5.0}}}


@pytest.fixture
def old_python(monkeypatch) -> str:
    """The Python of the environment with jwst 1.20."""
    need("" if OLD.is_file() else "no .venv-jwst-1.20 (`make environments`)")
    monkeypatch.setenv(ALLOWED, str(OLD.parents[1]))
    return str(OLD)


def remote(folder, python):
    """A resolver in that Python's environment."""
    return RemoteResolver(str(python), folder.cache, "jwst_0001.pmap", {}, Path.cwd())


def test_the_same_environment_gives_the_same_answers(folder):
    """What goes over the pipe is what a resolver says in this process."""
    header = folder.entries[0].header
    asked = {"steps": {"jump": {"rejection_threshold": 5.0}}}
    here, there = folder.resolvers.of(""), remote(folder, sys.executable)

    assert there.engine == here.engine == engine_versions()
    assert there.resolve("detector1", header, asked) == here.resolve("detector1", header, asked)
    wanted = [(header, ("detector1", "image2"))]
    assert there.needed(wanted) == here.needed(wanted)
    assert list(there.pars("image3", header)) == list(here.pars("image3", header))
    assert there.skipped_steps("spec2") == here.skipped_steps("spec2")
    old = {"spec2": {"steps": {"nsclean": {"skip": True}, "photom": {"maximum_cores": "half"}}}}
    for is_exported in (True, False):
        assert there.remarks(old, "p", is_exported) == here.remarks(old, "p", is_exported)


def test_errors_come_over_as_they_are(folder):
    """A refusal there is the same refusal here."""
    there = remote(folder, sys.executable)

    with pytest.raises(ConfigError, match="rejection_treshold"):
        there.resolve("detector1", folder.entries[0].header, {"steps": WRONG["detector1"]})
    (mistake,) = there.remarks(WRONG, "recipes.deep.parameters").mistakes

    assert "did you mean 'rejection_threshold'" in mistake


@pytest.mark.slow
def test_an_older_jwst_runs_its_recipe(folder, old_python):
    """Versions, parameters and keys are the older one's; its rate is made by it."""
    recipe = replace(DEEP, name="old", stages=(1,), python=old_python)
    (old,), (new,) = (
        folder.plan(recipe, count=1),
        folder.plan(replace(DEEP, stages=(1,)), count=1),
    )

    receipt = folder.calibrate([old, new])

    assert receipt.failures == ()
    assert len(set(receipt.computed)) == 2
    engines = [chain.derivations[0].engine["jwst"] for chain in (old, new)]
    assert engines[0].startswith("1.20") and engines[1] == engine_versions()["jwst"]
    rates = {
        r.recipe: folder.store.locate(f.sha256)
        for r in receipt.results
        for f in r.files
        if f.filename.endswith("_rate.fits")
    }
    assert [fits.getval(rates[name], "CAL_VER") for name in ("old", "deep")] == engines
    assert folder.store.costs[0].software != folder.store.costs[1].software
