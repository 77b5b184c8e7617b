"""Bounds on files that are read: pixels of pictures, and what is copied to be adopted."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.core.errors import StoreError
from jwmirror.report import plots
from jwmirror.report.plots import read_image


def mosaic(path: Path, hdu: object) -> Path:
    """Write a FITS file with an HDU after the primary one."""
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def peak_of(read: object, *arguments: object) -> float:
    """Return the bytes that a call needs at most; its error must be one of ours."""
    tracemalloc.start()
    try:
        with pytest.raises(StoreError):
            read(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_compressed_image_becomes_no_picture(tmp_path):
    """A few hundred kB become half a GB of pixels; no product of jwst is compressed."""
    blank = fits.CompImageHDU(np.zeros((4000, 4000), "f4"), name="SCI", compression_type="GZIP_1")
    path = mosaic(tmp_path / "a_i2d.fits", blank)
    assert path.stat().st_size < 1_000_000

    assert peak_of(read_image, "a", path) < 5_000_000


@pytest.mark.parametrize("axes", [(30_000, 30_000), (10**9, 1), (1, 10**9), (200, 300, 300), ()])
def test_axes_are_looked_at_before_pixels(axes, tmp_path):
    """Too long ones, more than two, and ones of which the file has no pixels."""
    path = tmp_path / "a_i2d.fits"
    header = fits.ImageHDU(np.zeros((2, 2), "f4"), name="SCI").header
    header["NAXIS"] = len(axes)
    for number, length in enumerate(reversed(axes), start=1):
        header[f"NAXIS{number}"] = length
    header = header.tostring().encode()
    path.write_bytes(fits.PrimaryHDU().header.tostring().encode() + header + bytes(2880))

    assert peak_of(read_image, "a", path) < 5_000_000


def test_of_a_large_mosaic_every_nth_pixel_is_read(tmp_path, monkeypatch):
    """So that its picture needs no more memory than that of a small one."""
    pixels = np.arange(300 * 200, dtype="f4").reshape(300, 200)
    path = mosaic(tmp_path / "a_i2d.fits", fits.ImageHDU(pixels, name="SCI"))
    assert np.array_equal(read_image("a", path).pixels, pixels)

    monkeypatch.setattr(plots, "MAX_PIXELS", 6700)
    assert np.array_equal(read_image("a", path).pixels, pixels[::3, ::3])
