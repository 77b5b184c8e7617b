"""Every pipeline end to end: what the archive has of each mode is mirrored, recalibrated, true."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from astropy.io import fits

from demo.site import Site
from jwmirror.store.generations import Generations
from jwmirror_simulator.modes.program import MODES
from jwmirror_simulator.observatory import Observatory
from tests.modes.checks import CHECKS as ALL_CHECKS
from tests.setup.plain_jwst import differing_arrays

CHECKS = [check for check in ALL_CHECKS if check.mode in MODES]
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
        recipe = {"stages": [1, 2, 3], "parameters": flat}
        site.configure(programs=PROGRAMS, recipes={"deep": None, "plain": recipe})
        site.snakemake()
        yield site


def published(site: Site, pattern: str) -> Path:
    """The one recalibrated file that the current generation shows so."""
    (path,) = (site.mirror / "current" / "recalibrated" / "plain" / "jw01346").glob(pattern)
    return path


@pytest.mark.slow
def test_a_flat_that_a_step_saves_is_published_beside_the_product(modes_site):
    """It has no ASDF extension, which is required of the product alone."""
    flat = published(modes_site, "o002/*_00001_mirimage_interpolatedflat.fits")

    with fits.open(flat) as hdus:
        assert "ASDF" not in hdus


@pytest.mark.slow
def test_products_equal_those_of_plain_jwst(modes_site):
    """The archive's products were made by jwst alone, with the same references."""
    recalibrated = modes_site.mirror / "current" / "recalibrated" / "plain"
    ours = [path for path in recalibrated.rglob("*") if path.suffix in (".fits", ".ecsv")]
    archive = modes_site.observatory.archive

    differing = {
        path.name: differing_arrays(path, archive.path(path.name))
        for path in ours
        if not path.name.endswith("_interpolatedflat.fits")
    }

    assert {path.name.rpartition("_")[2] for path in ours} >= {
        "rate.fits", "cal.fits", "i2d.fits", "cat.ecsv", "x1d.fits", "dark.fits",
    }  # fmt: skip
    assert not any(differing.values()), differing


@pytest.mark.slow
def test_a_generation_records_the_config_of_its_run(modes_site):
    """As Snakemake read it, with the recipes and the installed versions."""
    setup = Generations(modes_site.mirror).require_current().setup()

    assert setup.config["recipes"].keys() == {"plain"}
    assert [recipe.name for recipe in setup.recipes] == ["plain"]
    assert setup.software[""]["jwst"] == version("jwst")


@pytest.mark.slow
def test_every_pipeline_runs(modes_site):
    """One run takes time series, spectra, images, a dark, coronagraphy and fringes to the end."""
    assert modes_site.tally().computed == COMPUTED


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_products_show_the_truth(modes_site, check):
    """Grism spectra, too, which were made after their direct images."""
    product = published(modes_site, check.product)

    assert check.holds(product), check.measure(product)
