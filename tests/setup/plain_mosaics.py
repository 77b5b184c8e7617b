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


def recalibrated_files(site: Site) -> dict[str, Path]:
    """The files of the recipe "deep" in the current generation, by name."""
    return {
        entry.filename: site.mirror / "current" / path
        for path, entry in site.entries().items()
        if path.startswith("recalibrated/deep/")
    }


def plain_image3(
    site: Site, candidate: str, context: str, steps: Mapping[str, Any], folder: Path
) -> list[Path]:
    """Run image3 on the inputs of the recipe "deep", with the network; return what it makes."""
    folder.mkdir()
    for name, path in recalibrated_files(site).items():
        if name.endswith("_cal.fits"):
            (folder / name).symlink_to(path)
    (association,) = (
        path
        for path, entry in site.entries().items()
        if f"-{candidate}_" in entry.filename and "_image3_" in entry.filename
    )
    (folder / "asn.json").symlink_to(site.mirror / "current" / association)
    environment = {
        **os.environ,
        **offline_environment(site.observatory.root / "crds", context),
        "ASTROMETRIC_CATALOG_URL": site.observatory.catalogue_url,
    }
    command = [sys.executable, "-c", CALL, "asn.json", json.dumps(steps)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    made = [path for path in folder.iterdir() if path.suffix in (".fits", ".ecsv")]
    return [path for path in made if not path.is_symlink()]
