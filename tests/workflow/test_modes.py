"""Every pipeline end to end: what the archive has of each mode is mirrored, recalibrated, true."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from astropy.io import fits

from demo.site import Site
from jwmirror.store.generations import Generations
from jwmirror_simulator.modes.scenes import (
    coronagraph,
    dark,
    grism,
    imager,
    interferometer,
    slit,
    transit,
)
from jwmirror_simulator.observatory import Observatory
from jwmirror_simulator.telescope.photometry import compare

PROGRAMS = [{"program": 1346, "products": ["uncal", "asn", "pool"]}]
COMPUTED = {
    "detector1": 17, "dark": 1, "image2": 13, "spec2": 4,
    "image3": 2, "spec3": 2, "tso3": 1, "coron3": 1, "ami3": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def modes_site(tmp_path_factory, built_modes):
    """A site after its first run on the observatory with every mode."""
    folder = tmp_path_factory.mktemp("modes")
    shutil.copytree(built_modes, folder / "observatory")
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        flat = {"spec2": {"flat_field": {"save_interpolated_flat": True}}}
        recipe = {"stages": [1, 2, 3], "parameters": flat, "where": []}
        site.configure(programs=PROGRAMS, recipes={"deep": recipe})
        site.snakemake()
        yield site


def published(site: Site, pattern: str) -> Path:
    """The one recalibrated file that the current generation shows so."""
    (path,) = (site.mirror / "current" / "recalibrated" / "deep" / "jw01346").glob(pattern)
    return path


@pytest.mark.slow
def test_a_flat_that_a_step_saves_is_published_beside_the_product(modes_site):
    """It has no ASDF extension, which is required of the product alone."""
    flat = published(modes_site, "o002/*_00001_mirimage_interpolatedflat.fits")

    with fits.open(flat) as hdus:
        assert "ASDF" not in hdus


@pytest.mark.slow
def test_a_generation_records_the_config_of_its_run(modes_site):
    """As Snakemake read it, with the recipes and the installed versions."""
    setup = Generations(modes_site.mirror).require_current().setup()

    assert setup.config["recipes"].keys() == {"deep"}
    assert [recipe.name for recipe in setup.recipes] == ["deep"]
    assert setup.software[""]["jwst"] == version("jwst")


@pytest.mark.slow
def test_every_pipeline_runs_and_is_published_with_its_truth(modes_site):
    """One run takes time series, spectra, images, a dark, coronagraphy and fringes to the end."""
    site = modes_site

    assert site.tally().computed == COMPUTED
    dip = transit.measured_dip(published(site, "o001/*_phot.ecsv"))
    assert dip == pytest.approx(transit.DIP, abs=0.003)
    assert slit.measured_flux(published(site, "o002/*subslit_x1d.fits")) == pytest.approx(
        1, abs=0.05
    )
    stars = imager.write_truth(site.folder / "truth.ecsv")
    assert compare(published(site, "o003/*_cat.ecsv"), stars).good
    current = dark.measured_current(published(site, "o004/*_dark.fits"))
    assert sum(current) / 2 == pytest.approx(dark.CURRENT, rel=0.01)
    planet = coronagraph.measured_planet(published(site, "c1001/*_i2d.fits"))
    assert planet == pytest.approx(1, abs=0.1)
    for spectra in ("o010/*_00003_nis_x1d.fits", "o010/*gr150r_x1d.fits"):  # after their images
        assert grism.measured_source(published(site, spectra)) == pytest.approx(1, abs=0.05)
    companion = interferometer.measured_companion(published(site, "c1002/*_aminorm-oi.fits"))
    assert companion == pytest.approx(1, abs=0.05)
