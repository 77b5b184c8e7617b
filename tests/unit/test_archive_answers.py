"""Names, columns and envelopes of the simulated MAST are those recorded of the real one."""

import json
import os
from pathlib import Path

import pytest
import urllib3
import yaml

from jwmirror_simulator.mast import Archive
from jwmirror_simulator.mast.client import invoke, products, rows
from jwmirror_simulator.mast.storage.headers import groups_of
from jwmirror_simulator.mast.storage.names import parse
from jwmirror_simulator.mast.toy_files import STAMP, toy_fits
from tests.conftest import need

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
SECOND = "jw01345001001_02101_00002_nrcb1"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
IMAGE3 = f"jw01345-o001_{STAMP}_image3_00001_asn.json"


@pytest.fixture(scope="module")
def recorded() -> Path:
    """The folder of recorded answers."""
    folder = Path(os.environ.get("JWMIRROR_REAL_DATA", "")) / "recorded"
    need("" if folder.is_dir() else "JWMIRROR_REAL_DATA names no folder of recorded answers")
    return folder


def test_envelopes_are_those_of_the_portal(archive, recorded):
    """Envelope, paging and field keys are those that were recorded."""
    real = json.loads((recorded / "astroquery" / "caom.json").read_text())

    ours = invoke(archive, "Mast.Caom.Filtered", {"columns": "*"})
    count = invoke(archive, "Mast.Caom.Filtered", {"columns": "COUNT_BIG(*)"})
    real_count = json.loads((recorded / "astroquery" / "countsResp.json").read_text())

    assert ours.keys() == real.keys()
    assert ours["paging"].keys() == real["paging"].keys()
    assert ours["fields"][0].keys() == real["fields"][0].keys()
    types = {field["name"]: field["type"] for field in real["fields"]}
    assert all(types.get(field["name"], field["type"]) == field["type"] for field in ours["fields"])
    assert (count["fields"], list(count["data"][0])) == (real_count["fields"], ["Column1"])


def test_observations_have_the_recorded_columns(archive, recorded):
    """CAOM rows of ours have each column of a real JWST one but for obsType, and of its kind."""
    real = json.loads((recorded / "mast_viz_parameters_jw01039.json").read_text())

    (ours,) = rows(archive, "Mast.Caom.Filtered", obs_id=MOSAIC)

    renamed = {"obsType", "metaDataRights", "pol_states"}
    assert set(real) - set(ours) <= renamed
    assert ours["instrument_name"] == "NIRCAM/IMAGE"
    for name in set(real) & set(ours):
        if real[name] is not None and ours[name] is not None:
            assert isinstance(ours[name], type(real[name])), name


def test_products_have_the_recorded_columns(archive, recorded):
    """Product rows of ours have each column of real JWST ones, and of its kind."""
    answers = json.loads((recorded / "mast_viz_products_jw01039_miri_mrs.json").read_text())
    ((real, *_),) = answers.values()

    ours = products(archive, MOSAIC)[f"{MOSAIC}_i2d.fits"]

    assert set(real) - set(ours) == {"exp_type", "template"}  # joined to it by who recorded it
    same = (
        "type",
        "productType",
        "productGroupDescription",
        "project",
        "calib_level",
        "dataRights",
    )
    assert {name: ours[name] for name in same} == {name: real[name] for name in same}
    for name in set(real) & set(ours):
        assert isinstance(ours[name], type(real[name])), name


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("NRC", "Nircam"),
        ("NRS", "Nirspec"),
        ("NIS", "Niriss"),
        ("MIR", "Miri"),
        ("FGS", "Fgs"),
        ("GS", "GuideStar"),
    ],
)
def test_keyword_tables_have_the_recorded_columns(archive, recorded, short, name):
    """Each instrument's table has all its columns but those that its user made up."""
    known = yaml.safe_load((recorded / "mastquery_mast_columns.yaml").read_text())

    fields = invoke(archive, f"Mast.Jwst.Filtered.{name}", {"columns": "*"})["fields"]

    missing = set(known[short]["all"]) - {field["name"] for field in fields}
    assert missing <= {"prog_pi", "filter-pupil", "inst-mode"}


def test_a_keyword_row_is_like_the_recorded_one(tmp_path, recorded):
    """A MIRI file with the recorded keywords gives the recorded values, in the recorded types."""
    real = json.loads((recorded / "mast_viz_keywords_search_jw01039_miri_x1d.json").read_text())
    words = ("apername", "cal_ver", "crds_ctx", "detector", "exp_type", "instrume", "prd_ver")
    header = {word: real[word] for word in words} | {"date": real["date"], "observtn": "004"}
    path = toy_fits(tmp_path, real["filename"], program="01039", tsovisit=False, **header)

    with Archive(tmp_path / "archive") as archive:
        archive.publish(path)
        (ours,) = rows(archive, "Mast.Jwst.Filtered.Miri", filename=real["filename"])

    assert set(real) <= set(ours)
    exact = (*words, "program", "observtn", "tsovisit", "fileSetName", "productLevel", "date_mjd")
    assert {name: ours[name] for name in exact} == {name: real[name] for name in exact}
    for name in set(real) & set(ours):
        if real[name] is not None and ours[name] is not None:
            assert type(ours[name]) is type(real[name]), name


def test_a_mission_search_has_the_recorded_shape(archive, recorded):
    """Envelope, column descriptions and types are those of a real JWST search."""
    real = json.loads((recorded / "guidestar_mast-jwst-mock.json").read_text())

    url = f"{archive.url}/search/jwst/api/v0.1/search"
    query = {"limit": 5, "offset": 0, "conditions": [{"program": 1345}]}
    ours = urllib3.request("POST", url, json=query).json()

    assert ours.keys() == real.keys()
    types = {each["name"]: each["type"] for each in real["info"]}
    assert {each["name"] for each in ours["info"]} == set(types)
    assert set(ours["results"][0]) - set(real["results"][0]) == set()


def test_guide_star_exposures_are_in_a_table_of_their_own(tmp_path, recorded):
    """A real FGS file stands in GuideStar under fileName, read from its own header."""
    exposures = sorted((recorded.parent / "uncal").glob("*.fits"))

    with Archive(tmp_path / "archive") as archive:
        archive.publish(*exposures)
        (guide,) = rows(archive, "Mast.Jwst.Filtered.GuideStar", program=1019)
        coronagraphy = rows(archive, program=1075)
        refused = invoke(
            archive, "Mast.Jwst.Filtered.GuideStar", {"columns": "filename", "filters": []}
        )

    assert guide["fileName"] == "jw01019001001_gs-acq1_2022117003102_uncal.fits"
    assert (guide["exp_type"], guide["detector"], guide["sdp_ver"]) == (
        "FGS_ACQ1",
        "GUIDER2",
        "2023_3",
    )
    assert "filename" not in guide
    assert {row["detector"] for row in coronagraphy} == {"NRCA2", "NRCA3", "NRCA4"}
    assert refused["status"] == "ERROR"


# ---- names ------------------------------------------------------------


NAMES = """
jw01538046001_03105_00001_nrcalong_rate.fits                        exposure    rate
jw01366002001_04103_00001-seg001_nrcalong_rateints.fits             exposure    rateints
jw05893001001_02201_00001_mirimage_o001_crf.fits                    exposure    crf
jw01538-o046_t024_nircam_clear-f444w_cat.ecsv                       product     cat
jw01024-c1000_t002_miri_ch1-long_x1d.fits                           product     x1d
jw01538-o161_t002-s000000001_nirspec_f290lp-g395h-s1600a1_s2d.fits  product     s2d
jw01024-o001_20220501t155404_image3_001_asn.json                    association asn
jw01345_20260101t000000_pool.csv                                    pool        pool
"""


@pytest.mark.parametrize(
    ("filename", "kind", "suffix"), [line.split() for line in NAMES.split("\n")[1:-1]]
)
def test_real_names_are_understood(filename, kind, suffix):
    """Names by mode, as the archive has them."""
    name = parse(filename)

    assert (name.kind, name.suffix) == (kind, suffix)
    group = filename.rpartition("_")[0].removesuffix("_o001")
    assert name.group == (group if kind in ("exposure", "product") else "")


def test_an_association_is_listed_under_its_members_and_products(toys):
    """Whatever an association names lists it."""

    assert groups_of(toys / IMAGE3) == (MOSAIC, EXPOSURE, SECOND)
