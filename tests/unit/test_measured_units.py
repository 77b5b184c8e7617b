"""The units of measured quantities are those of the documentation."""

import re
from pathlib import Path

import numpy as np
from astropy.io import fits

from jwmirror.core.fits import unit_of_values
from jwmirror.report.quality import UNITS, WORDS, unit_of_quantity
from jwmirror.services.site.made_results import MadeResults
from tests.setup.calibrated_image import Toy
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, made_from

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (\w*) ?\| ", re.MULTILINE)


def test_explain_shows_the_units_that_the_documentation_names():
    """Of each quantity in the tables of docs/quality.md; a number of something has none."""
    rows = ROW.findall(PAGE.read_text().partition("## What is measured")[2])
    documented = {
        name.strip("`"): unit for names, unit in rows for name in names.split(", ") if unit
    }

    assert len(documented) > 12 and documented["shift"] == "mas"
    assert documented == UNITS


def test_every_documented_quantity_has_words_for_the_pages():
    """A quantity that is new in docs/quality.md does not show up on a page as its key."""
    rows = ROW.findall(PAGE.read_text().partition("## What is measured")[2])
    names = {name.strip("`") for each, _ in rows for name in each.split(", ")}

    assert names == set(WORDS)


def test_the_unit_of_the_file_stands_for_bunit():
    """Of a median or a noise; other quantities have one unit in all files."""
    assert unit_of_quantity("noise", "MJy/sr") == "MJy/sr"
    assert unit_of_quantity("noise", "") == "unit of the file"
    assert (unit_of_quantity("shift", "MJy/sr"), unit_of_quantity("rows", "MJy/sr")) == ("mas", "")


def test_the_unit_of_values_is_read_from_images_and_spectra(tmp_path):
    """From the header of SCI, or of the column of fluxes; a file without has none."""
    image, plain = Toy().card("BUNIT", "MJy/sr", "SCI"), Toy()
    flux = fits.Column("FLUX", "D", unit="Jy", array=np.ones(3))
    columns = [fits.Column("WAVELENGTH", "D", unit="um", array=np.ones(3)), flux]
    table = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "x1d.fits")
    cut = tmp_path / "cut.fits"
    cut.write_bytes(image.write(tmp_path / "cal.fits").read_bytes()[:3000])

    assert unit_of_values(tmp_path / "cal.fits") == "MJy/sr"
    assert unit_of_values(tmp_path / "x1d.fits") == "Jy"
    assert unit_of_values(plain.write(tmp_path / "plain.fits")) == ""
    assert (unit_of_values(cut), unit_of_values(tmp_path / "none.fits")) == ("", "")


def test_explain_and_the_site_name_the_unit_of_the_file(empty_mirror):
    """Of a median; a fraction keeps its unit."""
    name = f"{EXPOSURE}_rate.fits"
    write = Toy().card("BUNIT", "DN/s", "SCI").write
    made = empty_mirror.make(
        made_from("detector1", EXPOSURE, "x_uncal.fits"), name, write, median=0.5, nan=0.25
    )
    empty_mirror.publish()

    page = run("explain", name, "--mirror", empty_mirror.root)
    (found,) = answer("explain", name, "--mirror", empty_mirror.root)["files"]
    changes = MadeResults(empty_mirror.root).measured_changes("", made.key, name)

    assert "BUNIT" not in page and f"{name} median 0.5 DN/s" in " ".join(page.split())
    assert found["units"] == {name: "DN/s"}
    assert {each.quantity: each.unit for each in changes} == {"median": "DN/s", "nan": "fraction"}
