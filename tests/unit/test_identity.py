"""Science identity: equal for equal science, different for the least change of it."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits

from jwmirror.core.errors import CalibrationError
from jwmirror.pipeline.identity import science_identity

ECSV = """# %ECSV 1.0
# ---
# datatype:
# - {{name: label, datatype: int64}}
# - {{name: flux, unit: Jy, datatype: float64}}
# meta: !!omap
# - {{date: '{date}'}}
# schema: astropy-2.0
label flux
1 {flux}
"""


def image(path: Path, value: float = 1.0, **cards: object) -> Path:
    """A FITS file of one image; cards go to the primary header."""
    pixels = np.full((4, 5), value, "f4")
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI")])
    hdus[0].header.update(cards)
    hdus.writeto(path)
    return path


def test_dates_checksums_and_names_do_not_count(tmp_path):
    """A file that was written again, under another name, is the same science."""
    one = image(tmp_path / "a.fits", DATE="2026-01-01", FILENAME="a.fits", DATASUM="1")
    other = image(tmp_path / "b.fits", DATE="2026-02-02", FILENAME="b.fits", CHECKSUM="x")

    assert science_identity(one) == science_identity(other)


def test_order_of_cards_does_not_count(tmp_path):
    """Cards are compared as a set."""
    one = image(tmp_path / "a.fits", TARGNAME="M31", FILTER="F200W")
    other = image(tmp_path / "b.fits", FILTER="F200W", TARGNAME="M31")

    assert science_identity(one) == science_identity(other)


@pytest.mark.parametrize(
    "change", [{"value": 1.0000001}, {"FILTER": "F150W"}, {"FILTER": "F200W", "PUPIL": "CLEAR"}]
)
def test_one_bit_or_one_card_counts(tmp_path, change):
    """The least change of pixels or of a card is other science."""
    one = image(tmp_path / "a.fits", FILTER="F200W")
    other = image(tmp_path / "b.fits", **{"FILTER": "F200W", **change})

    assert science_identity(one) != science_identity(other)


def test_type_and_shape_count(tmp_path):
    """The same bytes as another type are other science."""
    zeros = [np.zeros((4, 4), "f4"), np.zeros((2, 8), "f4"), np.zeros((4, 4), "i4")]

    found = set()
    for number, pixels in enumerate(zeros):
        fits.HDUList([fits.PrimaryHDU(pixels)]).writeto(tmp_path / f"{number}.fits")
        found.add(science_identity(tmp_path / f"{number}.fits"))

    assert len(found) == 3


def with_tree(path: Path, pixels: float = 1.0, **meta: object) -> Path:
    """A FITS file with an ASDF extension as stdatamodels writes it: a tree and a binary block."""
    content = BytesIO()
    asdf.AsdfFile({"meta": meta, "table": np.full(99, pixels)}).write_to(content)
    array = [np.frombuffer(content.getvalue(), "u1")]
    column = fits.Column("ASDF_METADATA", f"{len(content.getvalue())}B", array=array)
    extension = fits.BinTableHDU.from_columns([column], name="ASDF")
    fits.HDUList([fits.PrimaryHDU(), extension]).writeto(path)
    return path


def test_the_asdf_tree_counts_without_its_dates(tmp_path):
    """The tree counts by content, its binary blocks too; when it was written does not count."""
    one = science_identity(with_tree(tmp_path / "a.fits", date="2026-01-01", pupil="CLEAR"))
    later = science_identity(with_tree(tmp_path / "b.fits", date="2026-10-10T10", pupil="CLEAR"))
    value = science_identity(with_tree(tmp_path / "c.fits", date="2026-01-01", pupil="CLEAN"))
    block = science_identity(with_tree(tmp_path / "d.fits", 2.0, date="2026-01-01", pupil="CLEAR"))

    assert one == later
    assert len({one, value, block}) == 3


def test_a_tree_in_an_image_counts_without_its_dates(tmp_path):
    """Early versions of asdf stored the tree as the pixels of an image."""

    def with_image(name: str, **meta: object) -> str:
        content = BytesIO()
        asdf.AsdfFile({"meta": meta}).write_to(content)
        image = fits.ImageHDU(np.frombuffer(content.getvalue(), "u1"), name="ASDF")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / name)
        return science_identity(tmp_path / name)

    one = with_image("a.fits", date="2026-01-01", pupil="CLEAR")

    assert one == with_image("b.fits", date="2026-10-10T10", pupil="CLEAR")
    assert one != with_image("c.fits", date="2026-01-01", pupil="CLEAN")


def test_a_card_without_value_gives_one_identity_in_each_process(tmp_path):
    """The identity does not contain the address of astropy's object for such a value."""
    path = image(tmp_path / "a.fits", PUPIL=None)
    program = (
        "from jwmirror.pipeline.identity import science_identity as f\n"
        "import sys; print(f(__import__('pathlib').Path(sys.argv[1])))"
    )

    found = {
        subprocess.run(
            [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }

    assert found == {science_identity(path) + "\n"}


def test_the_table_of_blended_headers_counts_without_dates(tmp_path):
    """HDRTAB of a mosaic is compared without its DATE column."""

    def mosaic(name: str, date: str, detector: str) -> Path:
        columns = [
            fits.Column("DATE", "20A", array=[date]),
            fits.Column("DETECTOR", "8A", array=[detector]),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="HDRTAB")
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / name)
        return tmp_path / name

    one = science_identity(mosaic("a.fits", "2026-01-01", "NRCB1"))

    assert one == science_identity(mosaic("b.fits", "2026-02-02", "NRCB1"))
    assert one != science_identity(mosaic("c.fits", "2026-01-01", "NRCA1"))


def test_a_catalogue_counts_by_its_values(tmp_path):
    """The date of an ECSV file is not its science; its values, names and units are."""
    texts = {
        "a": ECSV.format(date="2026-01-01", flux="0.5"),
        "b": ECSV.format(date="2026-02-02", flux="0.5"),
        "c": ECSV.format(date="2026-01-01", flux="0.6"),
        "d": ECSV.format(date="2026-01-01", flux="0.5").replace("Jy", "mJy"),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.ecsv").write_text(text)

    a, b, c, d = (science_identity(tmp_path / f"{name}.ecsv") for name in texts)

    assert a == b
    assert len({a, c, d}) == 3


def test_a_stored_object_is_read_by_the_name_it_had(tmp_path):
    """An object has no ending; the file's name tells its kind."""
    named = image(tmp_path / "a.fits", DATE="2026-01-01")
    bare = image(tmp_path / "b.fits", DATE="2026-02-02").rename(tmp_path / "0123abcd")

    assert science_identity(bare, "a.fits") == science_identity(named)


@pytest.mark.parametrize("missing", [1, 2880, 2881])
@pytest.mark.filterwarnings("ignore")
def test_a_cut_file_is_refused(tmp_path, missing):
    """A file that ends early, in data or in a header, has no identity."""
    path = image(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:-missing])

    with pytest.raises(CalibrationError, match=r"a\.fits"):
        science_identity(path)
