"""Bounds on files that are read: a few bytes on disk do not become GBs in memory."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.compare.pictures import DrawnComparison, Pair, draw
from jwmirror.compare.versions import compare_files
from jwmirror.core.errors import JwmirrorError, RejectedError
from jwmirror.core.fits import check_table
from jwmirror.core.jsonio import load_json
from jwmirror.net import integrity
from jwmirror.net.integrity import check_readable
from jwmirror.pipeline.identity import science_identity
from jwmirror.pipeline.measure.files import file_quantities


def mosaic(path: Path, hdu: object) -> Path:
    """Write a FITS file with an HDU after the primary one."""
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def peak_of(read: object, *arguments: object) -> float:
    """Return the bytes that a call needs at most; its error, if any, must be one of ours."""
    tracemalloc.start()
    try:
        with suppress(JwmirrorError):
            read(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def picture_of(path: Path) -> DrawnComparison:
    """Draw a file beside itself."""
    pair = Pair(kind="mast", filename=path.name, recipe="deep", old="old", new="new")
    return draw(pair, lambda sha256: path, path.parent / "pictures")


def test_a_compressed_image_becomes_no_picture(tmp_path):
    """A few hundred kB become half a GB of pixels; no product of jwst is compressed."""
    blank = fits.CompImageHDU(np.zeros((4000, 4000), "f4"), name="SCI", compression_type="GZIP_1")
    path = mosaic(tmp_path / "a_i2d.fits", blank)
    assert path.stat().st_size < 1_000_000

    assert peak_of(picture_of, path) < 10_000_000
    assert "expected an image SCI, found none" in picture_of(path).notes[0]


@pytest.mark.filterwarnings("ignore:File may have been truncated")
@pytest.mark.parametrize("axes", [(30_000, 30_000), (10**9, 1), (1, 10**9), (2,) * 5, ()])
def test_axes_are_looked_at_before_pixels(axes, tmp_path):
    """Too long ones, too many, and ones of which the file has no pixels."""
    path = tmp_path / "a_i2d.fits"
    header = fits.ImageHDU(np.zeros((2, 2), "f4"), name="SCI").header
    header["NAXIS"] = len(axes)
    for number, length in enumerate(reversed(axes), start=1):
        header[f"NAXIS{number}"] = length
    header = header.tostring().encode()
    path.write_bytes(fits.PrimaryHDU().header.tostring().encode() + header + bytes(2880))

    assert peak_of(picture_of, path) < 10_000_000
    assert not picture_of(path).panels


def test_a_large_mosaic_is_read_in_strips(tmp_path):
    """Its picture needs less memory than one of its images."""
    path = mosaic(tmp_path / "a_i2d.fits", fits.ImageHDU(np.ones((6000, 3000), "f4"), name="SCI"))
    peak_of(picture_of, path)  # imports
    (tmp_path / "pictures").rename(tmp_path / "first")

    peak = peak_of(picture_of, path)

    assert picture_of(path).panels
    assert peak < 70_000_000 < path.stat().st_size


# ---- tables ----------------------------------------------------------------------------------


def table(path: Path, rows: int, size: int, name: str = "EXTRACT1D", form: str = "1PE") -> Path:
    """Write a table whose every row has the same `size` bytes of floats, or none."""
    values = np.array([np.zeros(1, "f4"), np.zeros(1, "f4")], dtype=object)
    column = fits.Column("FLUX", format="PE()", array=values)
    header = fits.BinTableHDU.from_columns([column], name=name).header
    descriptors = np.zeros((rows if size else 0, 2), ">i4")
    descriptors[:, 0] = size // 4
    header["NAXIS1"], header["NAXIS2"], header["TFORM1"] = 8 if size else 0, rows, form
    header["PCOUNT"], header["THEAP"] = size, descriptors.nbytes
    data = descriptors.tobytes() + bytes(size)
    headers = (fits.PrimaryHDU().header, header)
    content = b"".join(header.tostring().encode() for header in headers) + data
    path.write_bytes(content + bytes(-len(content) % 2880))
    return path


READERS: dict[str, Callable[[Path, Path], object]] = {
    "identity": lambda path, other: science_identity(path),
    "measurement": lambda path, other: file_quantities(path),
    "comparison": lambda path, other: compare_files(path, other, "a.fits"),
}


@pytest.mark.parametrize("name", ["EXTRACT1D", "HDRTAB", "ASDF"])
@pytest.mark.parametrize("reader", READERS)
def test_overlapping_arrays_of_a_table_are_not_read(reader, name, tmp_path):
    """1 MB of a file would become 2 GB, or as many TB as there are rows."""
    path = table(tmp_path / "a.fits", 2000, 1_000_000, name)
    other = tmp_path / "b.fits"
    other.write_bytes(path.read_bytes()[:-3000] + b"\1" + path.read_bytes()[-2999:])

    assert peak_of(READERS[reader], path, other) < 50_000_000


def test_a_table_of_rows_without_bytes_is_not_read(tmp_path):
    """Each would become a text of Python."""
    path = table(tmp_path / "a.fits", 20_000_000, 0, "HDRTAB", "0A")

    assert peak_of(science_identity, path) < 50_000_000


def test_ordinary_tables_pass(tmp_path):
    """Arrays of variable length that fill the heap, empty tables, ASCII tables, images."""
    arrays = np.array([np.zeros(3, "f8"), np.zeros(5, "f8")], dtype=object)
    columns = [fits.Column("A", "PD()", array=arrays), fits.Column("B", "1A", array=["a", ""])]
    ascii_table = fits.TableHDU.from_columns([fits.Column("A", "I5", array=[1, 2], ascii=True)])
    empty = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[])])
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns), ascii_table, empty]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")

    with fits.open(tmp_path / "a.fits") as opened:
        for hdu in opened:
            check_table(hdu)


# ---- text ------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,"])
def test_json_of_too_many_values_is_not_parsed(piece, tmp_path):
    """30 MB would become 1 GB."""
    path = tmp_path / "a_asn.json"
    path.write_bytes(b'{"products": [' + piece * 10_000_000 + b"1]}")

    with pytest.raises(ValueError, match="expected at most 5000000 values"):
        load_json(path)
    with pytest.raises(RejectedError, match="values in JSON"):
        check_readable(path, path.name)


def test_text_has_a_largest_size(tmp_path, monkeypatch):
    """It is read in one."""
    monkeypatch.setattr(integrity, "MAX_TEXT", 1000)
    path = tmp_path / "a_cat.ecsv"
    path.write_bytes(b"# %ECSV 1.0\n" * 100)

    with pytest.raises(RejectedError, match="expected at most 1000 of text, got 1200"):
        check_readable(path, path.name)
