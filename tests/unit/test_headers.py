"""What is read of an exposure for CRDS and for the recipes."""

import json
from pathlib import Path

import numpy as np
import pytest
from stdatamodels.jwst import datamodels

from jwmirror.core.errors import CalibrationError
from jwmirror.pipeline.headers import crds_header, header_value
from jwmirror.pipeline.identity import downloaded_version
from tests.setup.records import product

NAME = "jw01345001001_02101_00001_nrcb1_uncal.fits"


def uncal(folder: Path, shape: tuple[int, ...] = (2, 5, 16, 24), **exposure: object) -> Path:
    """A raw exposure whose header announces 2 integrations of 5 groups of 16 x 24 pixels."""
    with datamodels.Level1bModel(data=np.zeros(shape, "u2")) as model:
        model.meta.instrument.name = "NIRCAM"
        model.meta.instrument.detector = "NRCB1"
        model.meta.subarray.xsize, model.meta.subarray.ysize = 24, 16
        for name, content in {"nints": 2, "ngroups": 5, **exposure}.items():
            setattr(model.meta.exposure, name, content)
        model.save(folder / NAME)
    return folder / NAME


def test_a_header_holds_what_crds_asks_for(tmp_path):
    """The names of get_crds_parameters, as canonical JSON."""
    header = crds_header(uncal(tmp_path))

    assert json.loads(header)["meta.instrument.detector"] == "NRCB1"
    assert header_value(header, "detector") == "NRCB1"
    assert header_value(header, "grating") == ""
    assert all(name.startswith("meta.") for name in json.loads(header))


def test_an_object_without_ending_is_read_by_its_name(tmp_path):
    """The store names files by sha256; the header is the same."""
    path = uncal(tmp_path)
    header = crds_header(path)

    assert crds_header(path.rename(tmp_path / "0123abcd"), NAME) == header


def test_cut_pixels_are_found(tmp_path):
    """Fewer pixels than announced: the file is refused, with both shapes."""
    with pytest.raises(CalibrationError, match=r"uncal\.fits: pixels.*2 x 5 x 16 x 24.*1 x 1 x 1"):
        crds_header(uncal(tmp_path, shape=(1, 1, 1, 1)))


def test_a_segment_has_the_integrations_of_its_part(tmp_path):
    """A long time series comes in files; each announces all, and holds from-to."""
    segment = uncal(tmp_path, nints=40, integration_start=11, integration_end=12)

    assert header_value(crds_header(segment), "instrument") == "NIRCAM"


def test_something_else_than_fits_is_refused(tmp_path):
    """A file of text under a FITS name is named in the error."""
    path = tmp_path / NAME
    path.write_text("<html>busy</html>")

    with pytest.raises(CalibrationError, match=NAME):
        crds_header(path)


def test_a_version_of_an_exposure_knows_identity_and_header(tmp_path):
    """What recalibration needs is read once, when the file arrives."""
    version = downloaded_version(product(NAME), uncal(tmp_path), "5a" * 32, 100)

    assert len(version.identity) == 64
    assert header_value(version.header, "detector") == "NRCB1"
    assert version.refusal == ""


def test_a_version_that_cannot_be_calibrated_says_why(tmp_path):
    """It is kept all the same."""
    version = downloaded_version(product(NAME), uncal(tmp_path, shape=(1, 1, 1, 1)), "5a" * 32, 100)

    assert "pixels were cut" in version.refusal
    assert version.header == ""


def test_a_version_of_something_else_is_not_opened(tmp_path):
    """Of a catalogue nothing is read; it need not even be there."""
    version = downloaded_version(product("x_cat.ecsv"), tmp_path / "none", "5a" * 32, 7)

    assert (version.identity, version.header, version.size) == ("", "", 7)
