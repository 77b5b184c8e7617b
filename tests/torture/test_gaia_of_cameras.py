"""Mosaics of MIRI and NIRISS aligned to Gaia, the pointing in all headers being wrong by 0.3"."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from demo.site import Site
from jwmirror_simulator.crds.context import newest_context
from jwmirror_simulator.modes.program import build
from jwmirror_simulator.modes.scenes import grism, imager
from jwmirror_simulator.observatory import Observatory
from jwmirror_simulator.telescope.photometry import compare
from tests.setup.plain_jwst import differing_arrays
from tests.setup.plain_mosaics import plain_image3, point_wrongly, recalibrated_files
from tests.torture.mill import LONG

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of jwst; make torture runs it")

ALIGN = {
    "abs_minobj": 6,
    "abs_searchrad": 1.0,
    "abs_separation": 0.5,
    "abs_tolerance": 0.3,  # arcsec; the first guess of the shift is coarse
    "abs_fitgeometry": "shift",
    "sigma_radius": 2.5,  # of the star finder; 1.5 gives centroids that follow the pixel's phase
}
STEPS = {"source_catalog": {"snr_threshold": 10.0}}
MIRI, NIRISS = "o003", "o010"


@pytest.fixture(scope="module")
def built_images(tmp_path_factory) -> Observatory:
    """An observatory with the images of two cameras, their pointing being wrong."""
    folder = tmp_path_factory.mktemp("images") / "built"
    direct = replace(grism.GRISM_SPECTRA, exposures=grism.GRISM_SPECTRA.exposures[:2])
    observatory = build(folder, (imager.MIRI_IMAGE, direct))
    for name in observatory.archive.filenames():
        if name.endswith("_rate.fits"):
            observatory.archive.reprocess(name, point_wrongly)
    return observatory


@pytest.fixture
def site(tmp_path, built_images) -> Iterator[Site]:
    """A served copy of the observatory, and a folder that has mirrored nothing yet."""
    shutil.copytree(built_images.root, tmp_path / "observatory")
    observatory = Observatory.open(tmp_path / "observatory")
    with observatory.serve():
        yield Site(tmp_path, observatory)


def align(site: Site, candidate: str, tweakreg: dict[str, object]) -> None:
    """Recalibrate the images of an observation, and their mosaic."""
    observations = [int(candidate.removeprefix("o"))]
    program = {"program": 1346, "observations": observations, "products": ["rate", "asn", "pool"]}
    parameters = {"image3": {"tweakreg": tweakreg, **STEPS}}
    recipe = {"stages": [2, 3], "parameters": parameters, "where": []}
    site.configure(programs=[program], recipes={"deep": recipe})
    site.snakemake()


@pytest.mark.parametrize(
    ("candidate", "band", "pipelines"),
    [(MIRI, "F770W", {"image2": 4, "image3": 1}), (NIRISS, "F200W", {"image2": 2, "image3": 1})],
)
def test_a_mosaic_is_aligned_to_gaia_as_plain_jwst_does_it(
    site, tmp_path, candidate, band, pipelines
):
    """Stars are within 5 mas of the truth. CRDS asks for Gaia (NIRISS), or the recipe (MIRI)."""
    observatory = site.observatory
    if candidate == NIRISS:
        observatory.add_gaia_context("niriss")
    by_recipe = {"abs_refcat": "GAIADR3"} if candidate == MIRI else {}

    align(site, candidate, ALIGN | by_recipe)

    queries = len(observatory.catalogue.requests)
    context = newest_context(observatory.root / "crds")
    steps = {"tweakreg": ALIGN | by_recipe, **STEPS}
    plain = plain_image3(site, candidate, context, steps, tmp_path / "plain")
    ours = recalibrated_files(site)
    differing = {path.name: differing_arrays(ours[path.name], path) for path in plain}
    (catalogue,) = (name for name in ours if name.endswith("_cat.ecsv"))
    measured = compare(ours[catalogue], observatory.truth(candidate, band))
    assert site.tally().computed == pipelines
    assert (queries, len(observatory.catalogue.requests)) == (1, 2)
    assert catalogue in differing and not any(differing.values()), differing
    caveats = [each for look in site.status()["look_at"] for each in look["quality"]["caveats"]]
    # a shift of more than 300 mas is reported
    assert {each["cause"] for each in caveats} <= {"alignment"}, caveats
    assert measured.good, measured
