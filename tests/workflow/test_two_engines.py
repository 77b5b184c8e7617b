"""One recipe under two versions of jwst, in one mirror, and what that changes in the pixels."""

from importlib.metadata import version

import msgspec
import pytest

from demo.site import ROOT
from jwmirror.core.model.quality import SOUND
from jwmirror.pipeline.allowed_environments import ALLOWED
from jwmirror.store.provenance import Provenance
from tests.conftest import need

OLD = ROOT / ".venv-jwst-1.20"
ROOTS = [f"jw01345002001_02101_{number:05d}_nrca1" for number in (1, 2, 3)]


def measured(site, recipe) -> set[tuple[str, str, str]]:
    """The quality of a recipe's results, and which quantities of which files were measured."""
    provenance = Provenance(site.mirror)
    return {
        (row.quality, row.filename, quantity)
        for row in site.entries().values()
        if row.origin == recipe
        for quantity in provenance.read(row.key).measurements.files[row.filename]
    }


@pytest.mark.slow
def test_one_recipe_under_two_versions_of_jwst(fresh_site, monkeypatch):
    """Both are measured and published under their own keys, and diff names the versions."""
    need("" if OLD.is_dir() else "no .venv-jwst-1.20 (`make environments`)")
    monkeypatch.setenv(ALLOWED, str(OLD))
    fresh_site.configure(
        programs=[{"program": 1345, "observations": [2], "products": ["uncal", "asn"]}],
        environments={"jwst-1.20": str(OLD)},
        recipes={
            "deep": {"stages": [1, 2]},
            "old": {"extends": "deep", "environment": "jwst-1.20"},
        },
    )

    fresh_site.snakemake()

    assert fresh_site.tally().computed == {"detector1": 6, "image2": 6}
    old, deep = measured(fresh_site, "old"), measured(fresh_site, "deep")
    assert old == deep and {quality for quality, _, _ in old} == {SOUND}
    told = fresh_site.jwmirror("diff", ":old", ":deep", f"{ROOTS[0]}_cal.fits", "--json")
    (file,) = msgspec.json.decode(told)["files"]
    pedigree = {each["what"]: (each["old"], each["new"]) for each in file["comparison"]["pedigree"]}
    reasons = {each["what"] for each in file["reasons"]}
    assert pedigree["CAL_VER"] == ("1.20.2", version("jwst"))
    assert {"image2: version of jwst", "image2: version of stcal"} <= reasons
    assert file["comparison"]["verdict"] == "pixels changed"
