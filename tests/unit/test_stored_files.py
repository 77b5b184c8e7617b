"""Stored files that no stage measured: measured once, and again by another method."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.core.model import Receipt, ResultFile
from jwmirror.pipeline.measure import files
from jwmirror.services.run.quality.stored_files import measure_archived, stored_quantities
from tests.setup import records
from tests.setup.mirrors import EXPOSURE, store_row

RATE, CAL = f"{EXPOSURE}_rate.fits", f"{EXPOSURE}_cal.fits"


def image(level):
    """The bytes of a FITS file with one image of this level."""
    content = BytesIO()
    science = fits.ImageHDU(np.full((8, 8), level, "f4"), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), science]).writeto(content)
    return content.getvalue()


@pytest.fixture
def measured(monkeypatch):
    """The names of the files that are really measured, in order."""
    names, measure = [], files.file_quantities

    def spy(path, filename):
        names.append(filename)
        return measure(path, filename)

    monkeypatch.setattr(files, "file_quantities", spy)
    return names


def test_a_stored_file_is_measured_once_for_each_method(tmp_path, measured, monkeypatch):
    """A method that gives other quantities does not read those of the one before."""
    row = store_row(tmp_path, RATE, image(3))

    first, again = (stored_quantities(tmp_path, row.sha256, RATE) for _ in range(2))
    monkeypatch.setattr(files, "METHOD", files.METHOD + 1)
    stored_quantities(tmp_path, row.sha256, RATE)

    assert first == again and first["median"] == 3
    assert measured == [RATE, RATE]


def test_what_could_not_be_measured_is_tried_again(tmp_path, measured):
    """A lost object may come back."""
    row = store_row(tmp_path, RATE, b"damaged")

    for _ in range(2):
        assert stored_quantities(tmp_path, row.sha256, RATE) == {}

    assert measured == [RATE, RATE]


def test_a_job_measures_what_it_has_computed_at_mast(tmp_path, measured):
    """Not what it found, and not what has another name."""
    upstream = [store_row(tmp_path, name, image(3)) for name in (RATE, CAL)]
    rate, cal = (
        records.result(
            pipeline, EXPOSURE, ResultFile(filename=name, sha256="5a", size=1, identity=""), key=key
        )
        for pipeline, name, key in (("detector1", RATE, "1"), ("image2", CAL, "2"))
    )

    measure_archived(tmp_path, Receipt(results=(rate, cal), computed=("2",)), upstream)

    assert measured == [CAL]
