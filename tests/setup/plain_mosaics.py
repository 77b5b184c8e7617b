"""Mosaics of jwst called without the project, with the network; and wrong pointings."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astropy.io import fits

from demo.site import Site
from jwmirror_simulator.crds.context import offline_environment

OFF = 0.3 / 3600  # degrees
CALL = """
import json, sys
from jwst.pipeline import Image3Pipeline
Image3Pipeline.call(sys.argv[1], steps=json.loads(sys.argv[2]), save_results=True)
"""


def point_wrongly(path: Path) -> None:
    """Shift the pointing in a header by 0.3 arcsec to the north."""
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            for keyword in {"DEC_REF", "DEC_V1"} & set(hdu.header):
                hdu.header[keyword] += OFF


def plain_mosaic(
    site: Site, candidate: str, context: str, steps: Mapping[str, Any], folder: Path
) -> Path:
    """Run image3 on the inputs of the recipe "deep", with the network; return the mosaic."""
    folder.mkdir()
    for path, entry in site.entries().items():
        is_input = path.startswith("recalibrated/deep/") and path.endswith("_cal.fits")
        is_association = f"-{candidate}_" in path and path.endswith("asn.json") and "image3" in path
        if is_input or is_association:
            (folder / entry.filename).symlink_to(site.mirror / "current" / path)
    (association,) = folder.glob("*_image3_*_asn.json")
    environment = {
        **os.environ,
        **offline_environment(site.observatory.root / "crds", context),
        "ASTROMETRIC_CATALOG_URL": site.observatory.catalogue_url,
    }
    command = [sys.executable, "-c", CALL, association.name, json.dumps(steps)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    (mosaic,) = folder.glob(f"*-{candidate}_*_i2d.fits")
    return mosaic
