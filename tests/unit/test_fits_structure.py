"""FITS structure: the same judgement as astropy's, from the headers alone."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from jwmirror.core.fits import FITS_BLOCK, FitsStructureError, check_structure

TYPES = ["u1", "i2", "u2", "i4", "f4", "f8"]
SHAPES = st.lists(st.integers(0, 40), min_size=0, max_size=3)


def image(shape: list[int], kind: str) -> fits.ImageHDU:
    """An image, or a header without one."""
    return fits.ImageHDU(np.zeros(shape, kind) if shape else None)


def table(rows: int, ragged: bool) -> fits.BinTableHDU:
    """A table; a ragged one has a heap (PCOUNT)."""
    cells = np.array([np.arange(n % 7) for n in range(rows)] + [None], dtype=object)[:-1]
    column = fits.Column("A", "PJ()", array=cells) if ragged else fits.Column("A", "J")
    return fits.BinTableHDU.from_columns([column], nrows=rows)


HDUS = st.one_of(
    st.builds(image, SHAPES, st.sampled_from(TYPES)),
    st.builds(table, st.integers(1, 30), st.booleans()),
)


def written(hdus: list) -> bytes:
    """A FITS file of these HDUs behind a primary one with a long header."""
    primary = fits.PrimaryHDU()
    for number in range(60):
        primary.header[f"KEY{number}"] = number
    buffer = io.BytesIO()
    fits.HDUList([primary, *hdus]).writeto(buffer)
    return buffer.getvalue()


def is_whole(path: Path) -> bool:
    """Whether the check passes a file."""
    try:
        check_structure(path)
    except FitsStructureError:
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(
    hdus=st.lists(HDUS, max_size=3), cut=st.integers(1, 3 * FITS_BLOCK), tail=st.integers(1, 9000)
)
def test_whole_files_pass_and_cut_or_longer_ones_do_not(tmp_path_factory, hdus, cut, tail):
    """What astropy writes is whole; less of it, or more behind it, is not."""
    path = tmp_path_factory.mktemp("fits") / "a.fits"
    data = written(hdus)

    path.write_bytes(data)
    assert is_whole(path)

    path.write_bytes(data[:-cut])
    with fits.open(io.BytesIO(data)) as whole:
        ends = [each.fileinfo()["datLoc"] + each.fileinfo()["datSpan"] for each in whole]
    assert is_whole(path) == (len(data) - cut in ends)

    path.write_bytes(data + b"\0" * tail)
    assert not is_whole(path)


@pytest.mark.parametrize(
    ("card", "what"),
    [
        ("NAXIS1  =                   -1", "NAXIS1 is -1"),
        ("NAXIS1  =                  1.5", "NAXIS1 is 1.5"),
        ("COMMENT no axis", "NAXIS1 is missing"),
    ],
)
def test_a_header_that_cannot_be_is_told(tmp_path: Path, card: str, what: str):
    """Sizes that are no sizes are named, and nothing is read behind them."""
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8"]
    cards += ["NAXIS   =                    1", card, "END"]
    path = tmp_path / "a.fits"
    path.write_bytes("".join(f"{each:80}" for each in cards).ljust(FITS_BLOCK).encode())

    with pytest.raises(FitsStructureError) as raised:
        check_structure(path)

    assert what in raised.value.found
