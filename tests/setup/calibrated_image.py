"""Makes small files to compare: FITS with the extensions of a calibrated image, and others."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

SHAPE = (40, 50)
PRIMARY = {
    "DATE": "2026-01-01T00:00:00",
    "FILENAME": "a_cal.fits",
    "CAL_VER": "1.18.0",
    "CRDS_CTX": "jwst_1322.pmap",
    "SDP_VER": "2025_2",
    "R_FLAT": "crds://jwst_nircam_flat_0001.fits",
    "S_JUMP": "COMPLETE",
    "FILTER": "F200W",
}
SKY = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRPIX1": 25.5,
    "CRPIX2": 20.5,
    "CRVAL1": 80.0,
    "CRVAL2": -69.5,
    "CDELT1": -8.6e-6,
    "CDELT2": 8.6e-6,
    "CUNIT1": "deg",
    "CUNIT2": "deg",
}


class Toy:
    """A calibrated image that a test may change before it is written."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        sci = random.normal(10, 1, SHAPE).astype("f4")
        sci[0, :3] = np.nan
        catalogue = [
            fits.Column("label", "J", array=np.arange(5)),
            fits.Column("flux", "E", unit="Jy", array=np.arange(5) / 2),
            fits.Column("name", "8A", array=["a", "b", "c", "d", "e"]),
        ]
        self.hdus = fits.HDUList(
            [
                fits.PrimaryHDU(),
                fits.ImageHDU(sci, name="SCI"),
                fits.ImageHDU(np.full(SHAPE, 0.5, "f4"), name="ERR"),
                fits.ImageHDU(np.zeros(SHAPE, "u4"), name="DQ"),
                fits.BinTableHDU.from_columns(catalogue, name="SRC"),
            ]
        )
        self.hdus[0].header.update(PRIMARY)
        self.hdus["SCI"].header.update(SKY)

    def card(self, name: str, value: Any, hdu: str = "PRIMARY") -> "Toy":
        """Set a card."""
        self.hdus[hdu].header[name] = value
        return self

    def set(self, hdu: str, place: Any, value: Any) -> "Toy":
        """Set pixels of an image, or (column, row) of a table."""
        if isinstance(place[0], str):
            self.hdus[hdu].data[place[0]][place[1]] = value
        else:
            self.hdus[hdu].data[place] = value
        return self

    def write(self, path: Path) -> Path:
        """Write the file."""
        self.hdus.writeto(path, overwrite=True)
        return path
