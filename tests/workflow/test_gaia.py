"""Mosaics aligned to Gaia: workers without network give what plain jwst gives with it."""

import pytest

from jwmirror_simulator.telescope.photometry import compare
from tests.conftest import need
from tests.setup.namespaces import missing, routes_in, without_network
from tests.setup.plain_jwst import differing_arrays
from tests.setup.plain_mosaics import plain_image3, point_wrongly, recalibrated_files

MOSAIC = "jw01345-o002_t002_nircam_clear-f200w-sub160"
ALIGN = {
    "abs_minobj": 6,
    "abs_searchrad": 1.0,
    "abs_separation": 0.25,
    "abs_tolerance": 0.12,
    "abs_fitgeometry": "shift",
}
STEPS = {"tweakreg": ALIGN, "source_catalog": {"snr_threshold": 10.0}}


@pytest.mark.slow
def test_a_worker_without_network_aligns_to_gaia_as_plain_jwst_does(site, tmp_path):
    """All arrays are equal, and a wrong pointing of all members is corrected to 5 mas."""
    need(missing())
    observatory = site.observatory
    for name in observatory.archive.filenames():
        if name.startswith("jw01345002") and name.endswith("_rate.fits"):
            observatory.archive.reprocess(name, point_wrongly)
    context = observatory.add_gaia_context()
    recipe = {"parameters": {"image3": {"tweakreg": ALIGN}}, "observations": [2], "stages": [2, 3]}
    site.configure(recipes={"deep": recipe}, settle={"accept": [1345]})

    site.snakemake(environment=without_network(tmp_path / "node", "calibrate_batch.py"))
    asked = len(observatory.catalogue.requests)
    plain = plain_image3(site, "o002", context, STEPS, tmp_path / "plain")

    assert site.tally().computed == {"image2": 3, "image3": 1}
    assert (asked, len(observatory.catalogue.requests)) == (1, 2)
    assert routes_in(tmp_path / "node") == [[], []]  # stages 2 and 3
    ours = recalibrated_files(site)
    differing = {path.name: differing_arrays(ours[path.name], path) for path in plain}
    assert f"{MOSAIC}_i2d.fits" in differing
    assert not any(differing.values()), differing
    measured = compare(ours[f"{MOSAIC}_cat.ecsv"], observatory.truth(2, "F200W"))
    assert measured.good, measured
