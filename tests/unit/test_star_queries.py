"""A worker's queries for stars: answered from the slice as the service would answer them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stcal.tweakreg import astrometric_utils

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Derivation
from jwmirror.core.model.sky.slices import CatalogueCone
from jwmirror.engine.star_queries import SliceSession, answer_star_queries, slice_objects
from jwmirror.pipeline.gaia.catalogues import CATALOGUES
from jwmirror.pipeline.gaia.slice_text import slice_text
from jwmirror_simulator.gaia.service import CatalogueServer, lines_within
from jwmirror_simulator.gaia.stars import stars_of_program
from jwmirror_simulator.telescope.program import demo_program
from tests.setup.records import derivation

CONE = CatalogueCone(catalogue="GAIADR3", ra=80.0, dec=-69.5, radius=0.08, epoch=2025.885)
STARS = stars_of_program(demo_program())
ANSWER = "".join(lines_within(STARS, CONE.ra, CONE.dec, CONE.radius, CONE.epoch))


def planned(
    folder: Path, text: str = slice_text(CONE, ANSWER), value: str = "GAIADR3"
) -> Derivation:
    """Return a mosaic's derivation with a slice, whose file is in the folder."""
    (folder / "slice.csv").write_text(text, newline="")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    steps = {"tweakreg": {"abs_refcat": value, "skip": False}}
    references = {"tweakreg.abs_refcat": ("slice.csv", sha256), "flat": ("f.fits", "5a" * 20)}
    return derivation("image3", parameters={"steps": steps}, references=references)


@pytest.fixture
def stcal(monkeypatch):
    """The module of stcal, restored afterwards; whatever asks the network fails."""
    for name in ("requests", "get_s3_catalog"):
        monkeypatch.setattr(astrometric_utils, name, getattr(astrometric_utils, name))
    monkeypatch.setattr(astrometric_utils, "SERVICELOCATION", "http://127.0.0.1:9")
    return astrometric_utils


def test_all_catalogues_of_the_service_have_slices():
    """Those that the installed stcal asks the service for."""
    assert list(CATALOGUES) == astrometric_utils.GSSS_CATALOGS


@pytest.mark.parametrize("radius", [0.0015, 0.004, 0.03, 0.08])
def test_an_answer_equals_that_of_the_service(tmp_path, monkeypatch, stcal, radius):
    """Columns, types, masks, order and values of the table that stcal reads."""
    query = (80.0001 if radius < 0.05 else 80.0, -69.5, CONE.epoch, radius, "GAIADR3")
    with CatalogueServer(lambda: STARS) as server:
        monkeypatch.setattr(stcal, "SERVICELOCATION", server.url)
        expected = stcal.get_catalog(*query)
    monkeypatch.setattr(stcal, "SERVICELOCATION", "http://127.0.0.1:9")

    answer_star_queries(planned(tmp_path), tmp_path)
    found = stcal.get_catalog(*query)

    assert len(found) > 10 and found.colnames == expected.colnames
    assert [found[name].dtype for name in found.colnames] == [
        expected[name].dtype for name in expected.colnames
    ]
    assert found.pformat(max_lines=-1) == expected.pformat(max_lines=-1)


@given(east=st.floats(-0.05, 0.05), north=st.floats(-0.05, 0.05), radius=st.floats(1e-4, 0.0085))
def test_any_cone_inside_the_slice_is_answered_as_by_the_service(east, north, radius):
    """Also one without stars."""
    cone = replace(CONE, ra=CONE.ra + east, dec=CONE.dec + north, radius=radius)
    whole = "".join(lines_within(STARS, cone.ra, cone.dec, cone.radius, cone.epoch))

    url = f"http://x/?RA={cone.ra}&DEC={cone.dec}&EPOCH={cone.epoch}&SR={radius}&CAT=GAIADR3"
    answer = SliceSession({CONE: ANSWER}).get(url, headers={}, timeout=3.0).text

    is_empty = whole.startswith("No data records")
    assert answer.startswith("No data records") if is_empty else answer == whole.partition("\n")[2]


def test_a_cone_without_stars_is_an_empty_table(tmp_path, stcal):
    """As from the service, so that tweakreg skips the alignment."""
    answer_star_queries(planned(tmp_path), tmp_path)

    assert len(stcal.get_catalog(80.0, -69.5, CONE.epoch, 1e-7, "GAIADR3")) == 0


@pytest.mark.parametrize(
    "query",
    [
        (80.0, -69.5, CONE.epoch, 0.0801, "GAIADR3"),
        (80.3, -69.5, CONE.epoch, 0.01, "GAIADR3"),
        (80.0, -69.5, CONE.epoch + 1 / 365, 0.01, "GAIADR3"),
        (80.0, -69.5, CONE.epoch, 0.01, "GAIADR2"),
        (80.0, -69.5, None, 0.01, "GAIADR3"),
        (80.0, -69.5, CONE.epoch, 0.01, "GAIADR3_S3"),
    ],
)
def test_a_query_outside_the_slice_fails(tmp_path, stcal, query):
    """A larger or another cone, another day or catalogue, or no epoch; the network is not asked."""
    answer_star_queries(planned(tmp_path), tmp_path)

    with pytest.raises(CalibrationError, match=r"abs_refcat to a catalogue file|in Amazon S3"):
        stcal.get_catalog(*query)


def test_the_message_has_query_and_slice(tmp_path, stcal):
    """And a way out."""
    answer_star_queries(planned(tmp_path), tmp_path)

    with pytest.raises(CalibrationError) as caught:
        stcal.get_catalog(81.0, -69.5, CONE.epoch, 0.01, "GAIADR3")

    assert "GAIADR3 within 0.0100 degrees of RA 81.0000, Dec -69.5000" in str(caught.value)
    assert "GAIADR3 within 0.0800 degrees of RA 80.0000, Dec -69.5000" in str(caught.value)


def test_another_slice_than_that_of_the_key_is_not_used(tmp_path, stcal):
    """Its bytes were changed since the plan."""
    plan = planned(tmp_path)
    (tmp_path / "slice.csv").write_text(slice_text(CONE, ANSWER) + " ")

    with pytest.raises(CalibrationError, match=r"slice slice\.csv: sha256 expected"):
        answer_star_queries(plan, tmp_path)


@pytest.mark.parametrize("name", ["requests", "get_catalog"])
def test_a_version_of_stcal_that_asks_otherwise_is_refused(tmp_path, monkeypatch, stcal, name):
    """It would ask the network."""
    monkeypatch.delattr(stcal, name)

    with pytest.raises(CalibrationError, match=f"does not know \\(no {name} in"):
        answer_star_queries(planned(tmp_path), tmp_path)


def test_other_derivations_change_nothing(tmp_path, stcal):
    """Neither those with a catalogue file, nor with a skipped step."""
    before, own = stcal.requests, planned(tmp_path, value="stars.ecsv")
    skipped = replace(
        own, parameters={"steps": {"tweakreg": {"abs_refcat": "GAIADR3", "skip": True}}}
    )

    for each in (own, skipped):
        answer_star_queries(each, tmp_path)
        assert slice_objects(each) == {}

    assert stcal.requests is before
