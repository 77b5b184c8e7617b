"""Mosaics aligned to Gaia: workers without network give what plain jwst gives with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror_simulator.crds.context import offline_environment
from jwmirror_simulator.telescope.photometry import compare
from tests.conftest import need
from tests.setup.namespaces import missing, routes_in, without_network

OFF = 0.3 / 3600  # degrees, of the pointing in all headers of the observation
MOSAIC = "jw01345-o002_t002_nircam_clear-f200w-sub160"
ALIGN = {
    "abs_minobj": 6,
    "abs_searchrad": 1.0,
    "abs_separation": 0.25,
    "abs_tolerance": 0.12,
    "abs_fitgeometry": "shift",
}
PLAIN = """
import json, sys
from jwst.pipeline import Image3Pipeline
steps = {"tweakreg": json.loads(sys.argv[2]), "source_catalog": {"snr_threshold": 10.0}}
Image3Pipeline.call(sys.argv[1], steps=steps, save_results=True)
"""


def point_wrongly(path: Path) -> None:
    """Shift the pointing in a header to the north."""
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            for keyword in {"DEC_REF", "DEC_V1"} & set(hdu.header):
                hdu.header[keyword] += OFF


def run_plain_jwst(site, context: str, folder: Path) -> Path:
    """Run the pipeline on the recipe's inputs, with the network; return the mosaic."""
    folder.mkdir()
    for path, entry in site.entries().items():
        is_input = path.startswith("recalibrated/deep/") and path.endswith("_cal.fits")
        is_association = "-o002_" in path and path.endswith("asn.json") and "image3" in path
        if is_input or is_association:
            (folder / entry.filename).symlink_to(site.mirror / "current" / path)
    (association,) = folder.glob("*_image3_*_asn.json")
    environment = {
        **os.environ,
        **offline_environment(site.observatory.root / "crds", context),
        "ASTROMETRIC_CATALOG_URL": site.observatory.catalogue_url,
    }
    command = [sys.executable, "-c", PLAIN, association.name, json.dumps(ALIGN)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return folder / f"{MOSAIC}_i2d.fits"


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
    plain = run_plain_jwst(site, context, tmp_path / "plain")

    assert site.tally().computed == {"image2": 3, "image3": 1}
    assert (asked, len(observatory.catalogue.requests)) == (1, 2)
    assert routes_in(tmp_path / "node") == [[], []]  # stages 2 and 3
    made = {
        each.filename: site.mirror / "current" / path
        for path, each in site.entries().items()
        if path.startswith("recalibrated/deep/")
    }
    with fits.open(made[f"{MOSAIC}_i2d.fits"]) as ours, fits.open(plain) as theirs:
        arrays = [hdu.name for hdu in theirs if hdu.is_image and hdu.data is not None]
        assert {"SCI", "ERR", "WHT"} <= set(arrays)
        for name in arrays:
            np.testing.assert_array_equal(ours[name].data, theirs[name].data, err_msg=name)
    measured = compare(made[f"{MOSAIC}_cat.ecsv"], observatory.truth(2, "F200W"))
    assert measured.good, measured
