"""What recipes may say beyond parameters, through real runs: functions, settings, where-blocks."""

import pytest

from jwmirror.store.provenance import Provenance
from tests.setup.configs import THREE_EXPOSURES

THREE = {"detector1": 3, "image2": 3}
FUNCTION = "def fix(model):\n    model.data -= {level}\n    return model\n"


def derivations(site, pipeline: str) -> list:
    """How the published results of a pipeline were made."""
    keys = {entry.key for entry in site.entries().values() if entry.result.startswith(pipeline)}
    return [Provenance(site.mirror).read(key).derivation for key in sorted(keys)]


@pytest.mark.slow
def test_a_function_between_stages_and_a_setting_of_one_run(fresh_site, tmp_path):
    """Both are in the provenance; an edited function re-runs stage 2 alone."""
    source, where = tmp_path / "stripes.py", {"PYTHONPATH": str(tmp_path)}
    source.write_text(FUNCTION.format(level=0.5))
    block = {
        "match": {"detector": ["NRCA1", "NRCB1"], "program": 1345},
        "parameters": {"detector1": {"jump": {"rejection_threshold": 9.0}}},
    }
    recipe = {"stages": [1, 2], "between": {"detector1..image2": "stripes.fix"}, "where": [block]}
    fresh_site.configure(
        programs=THREE_EXPOSURES, settle={"accept": [1345]}, recipes={"deep": recipe}
    )

    setting = "set=deep.detector1.jump.edge_size=20"
    fresh_site.snakemake("--config", setting, environment=where)
    first, rates, cals = (
        fresh_site.tally().computed,
        derivations(fresh_site, "detector1"),
        derivations(fresh_site, "image2"),
    )
    source.write_text(FUNCTION.format(level=1.5))
    fresh_site.snakemake("--config", setting, environment=where)

    assert (first, fresh_site.tally().computed) == (THREE, {"image2": 3})
    jumps = [each.parameters["steps"]["jump"] for each in rates]
    assert [(each["edge_size"], each["rejection_threshold"]) for each in jumps] == [(20, 9.0)] * 3
    assert [each.parameters["between"] for each in cals] == [["stripes.fix"]] * 3
    assert {name for each in cals for name, _ in each.hooks} == {"stripes.fix"}


@pytest.mark.slow
def test_an_excluded_dither_is_taken_out_of_the_mosaic_and_back(site):
    """The reason is in the provenance and on the site; taken back, nothing is computed."""
    mosaics = {path: entry for path, entry in site.entries().items() if path.endswith("_i2d.fits")}
    (mosaic,) = (path for path in mosaics if "deep/jw01345/o001" in path and "f200w" in path)
    item = {"file": "jw01345001001_02101_00002_nrc*_cal.fits", "because": "guide star lost"}

    site.configure(recipes={"deep": {"exclude": [item]}})
    site.snakemake()
    computed, shorter = site.tally().computed, site.entries()[mosaic]
    pages = [page.read_text() for page in (site.mirror / "site").rglob("*.html")]
    site.configure()
    site.snakemake()

    assert computed == {"image3": 1}
    record = Provenance(site.mirror).read(shorter.key)
    assert list(record.excluded.values()) == ["guide star lost"]
    assert len(record.derivation.inputs) == 3
    assert any("guide star lost" in page for page in pages)
    assert site.tally().computed == {}
    assert site.entries()[mosaic].key == mosaics[mosaic].key


@pytest.mark.slow
def test_single_steps_run_after_the_stages_that_make_their_products(site):
    """On the mosaics of the recipe that is extended, and no stage is repeated."""
    mosaics = {entry.key for entry in site.entries().values() if entry.result.startswith("image3/")}
    bright = {"image3": {"source_catalog": {"snr_threshold": 50.0}}}
    recipe = {"extends": "deep", "steps": ["image3.source_catalog"], "parameters": bright}
    site.configure(recipes={"bright": recipe})

    site.snakemake()

    made = {path for path, entry in site.entries().items() if entry.origin == "bright"}
    assert site.tally().computed == {"image3.source_catalog": len(mosaics)}
    assert {path.rpartition("_")[2] for path in made} == {"cat.ecsv", "segm.fits"}
    steps = derivations(site, "image3.source_catalog")
    assert {each.parameters["steps"]["source_catalog"]["snr_threshold"] for each in steps} == {50.0}
