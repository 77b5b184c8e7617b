"""One bad file spoils only itself, and what is withheld is waited for."""

import pytest

from jwmirror_simulator.mast import faults, listing_faults

SMALL = [{"program": 1345, "observations": [2], "products": ["uncal", "asn"]}]  # three exposures
UNCAL = "jw01345002001_02101_00002_nrca1_uncal.fits"
PATH = f"upstream/jw01345/o002/{UNCAL}"
ASSOCIATION = "jw01345-o002_20260101t000000_image3_00001_asn.json"
MOSAIC = "recalibrated/deep/jw01345/o002/jw01345-o002_t002_nircam_clear-f200w-sub160_i2d.fits"


def recalibrated(site) -> list[str]:
    """Names of the cal files that the current generation shows."""
    return sorted(path.rpartition("/")[2] for path in site.entries() if path.endswith("_cal.fits"))


@pytest.mark.slow
def test_wrong_bytes_are_told_and_everything_else_is_published(fresh_site):
    """A body that is not what MAST's checksum says spoils its file, and what needs it waits."""
    site = fresh_site
    site.configure(programs=SMALL)
    site.observatory.archive.fault(UNCAL, faults.wrong_bytes())

    said = site.snakemake(expect=1)

    assert UNCAL in said
    assert PATH not in site.entries() and MOSAIC not in site.entries()
    assert len(recalibrated(site)) == 2
    assert any(path.name.startswith(UNCAL) for path in (site.mirror / "quarantine").iterdir())
    (wait,) = site.run().waits
    assert UNCAL.removesuffix("_uncal.fits") in wait.why

    site.observatory.archive.clear_faults()
    site.snakemake()

    assert site.tally().fetched == {UNCAL}
    assert site.tally().computed == {"detector1": 1, "image2": 1, "image3": 1}
    assert PATH in site.entries() and MOSAIC in site.entries()


@pytest.mark.slow
def test_a_body_without_an_end_is_stopped_and_everything_else_is_published(fresh_site):
    """Also an association whose size MAST lists wrongly, which it may where it has no checksum."""
    site, archive = fresh_site, fresh_site.observatory.archive
    site.configure(programs=SMALL, recipes=None, settle={"accept": [1345]})
    archive.fault(UNCAL, faults.endless("chunked"))
    archive.fault("Mast.Caom.Products", listing_faults.cells("size", 0, only=ASSOCIATION))

    said = site.snakemake(expect=1)

    assert f"size in bytes of {UNCAL}: expected at most" in said
    assert PATH not in site.entries()
    assert f"upstream/jw01345/o002/{ASSOCIATION}" in site.entries()
    assert sum(path.endswith("_uncal.fits") for path in site.entries()) == 2
    assert not (site.mirror / "quarantine").exists()


@pytest.mark.slow
def test_an_exclusive_exposure_is_waited_for(fresh_site):
    """Without a token it is withheld, and everything else is published."""
    site = fresh_site
    site.configure(programs=SMALL)
    site.observatory.archive.restrict(UNCAL)

    site.snakemake()
    kinds = {change.product.filename: change.kind for change in site.run().changes}
    assert kinds[UNCAL] == "withheld"
    assert PATH not in site.entries() and len(recalibrated(site)) == 2
