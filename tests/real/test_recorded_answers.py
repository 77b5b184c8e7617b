"""Answers that were recorded of MAST and CRDS are sent as they are, and read as what they say.

The values were read in the recordings. Services that jwmirror does not ask are left out: Mission
searches, bundles, the resolver of names and the lookup of cloud paths.
"""

import ast
import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jwmirror.archive.cloud import bucket_path
from jwmirror.archive.listing import query_listing
from jwmirror.archive.tables.answers import CountRow, read_pages
from jwmirror.archive.tables.portal import QUERY_TIMEOUTS, Portal
from jwmirror.archive.tables.queries import Queries
from jwmirror.archive.tables.rows import read_observations, read_products
from jwmirror.archive.tables.unread import UnreadCells
from jwmirror.core.errors import ReferencesError
from jwmirror.crds.client import CrdsClient
from tests.conftest import need
from tests.setup.file_server import body, serve
from tests.setup.second_server import replayed

COUNT = (
    '"paging": {"page": 1, "pageSize": 50000, "pagesFiltered": 1, "rows": %d, "rowsFiltered": %d}'
)
CUBE = "jw01039-o004_t001_miri_ch3-long"


@pytest.fixture(scope="module")
def recorded() -> Path:
    """The folder of recorded answers."""
    folder = Path(os.environ.get("JWMIRROR_REAL_DATA", "")) / "recorded"
    need("" if folder.is_dir() else "JWMIRROR_REAL_DATA names no folder of recorded answers")
    return folder


@pytest.fixture
def portal(recorded, port) -> Iterator[Callable[[str, bytes], Portal]]:
    """A client of a server that has a recorded answer of one service, and of columnsconfig."""
    answers = {"columnsconfig": (recorded / "astroquery/columnsconfig.json").read_bytes()}
    with replayed(answers, port) as url:
        client = Portal(url, None, 60, QUERY_TIMEOUTS)

        def knows(service: str, answer: bytes) -> Portal:
            answers[service] = answer
            return client

        yield knows
        client.close()


def envelope(rows: str) -> bytes:
    """The envelope that MAST sends, around the recorded text of some rows."""
    number = len(json.loads(rows))
    return (
        f'{{"status": "COMPLETE", "msg": "", {COUNT % (number, number)}, "data": {rows}}}'.encode()
    )


def test_recorded_observations_of_a_query_by_program(portal, recorded):
    """The columns that may be asked for are those of the recorded columnsconfig."""
    answer = (recorded / "astroquery/advSearch.json").read_bytes()
    unread = UnreadCells(8880)

    table = portal("Mast.Caom.Filtered", answer).observations(8880)
    read = read_observations(table, unread)

    assert [(o.obsid, o.name, o.instrument, o.is_planned) for o in read] == [
        ("2003520266", "O6AU01MSQ", "STIS", False),
        ("2003520267", "O6AU01MTQ", "STIS", False),
        ("2003520268", "O6AU01MUQ", "STIS", False),
    ]
    assert list(unread.remarks()) == [] and unread.doubts == []


def test_recorded_observations_of_several_programs(portal, recorded):
    """Those of another program are left out; one of none stays, because MAST was asked for one."""
    answer = (recorded / "astroquery/caom.json").read_bytes()

    table = portal("Mast.Caom.Filtered", answer).observations(5092)
    read = read_observations(table, UnreadCells(5092))

    assert len(table.rows) == 19 and len(read) == 9
    assert {o.obsid for o in read if not o.name.startswith(("U2803", "hst_05092"))} == {
        "1000014336"
    }


def test_recorded_products(portal, recorded):
    """The answer of 2017 lacks calib_level and dataRights, which is said; it has all the rest."""
    answer = (recorded / "astroquery/products.json").read_bytes()
    unread = UnreadCells(9040)

    table = portal("Mast.Caom.Products", answer).products(["2003738726"])
    read = read_products(table, unread)

    first, last = read[0], read[-1]
    assert (len(read), {product.obsid for product in read}) == (22, {"2003738726"})
    assert (first.filename, first.size) == ("u9o40504m_c3m.fits", 207360)
    assert first.uri == "mast:HST/product/u9o40504m_c3m.fits"
    assert (first.group, first.caom_type, first.is_withheld) == (None, "AUXILIARY", None)
    assert (last.filename, last.size) == ("u9o40504m_drz.fits", 27227520)
    assert (last.group, last.caom_type) == ("Minimum Recommended Products", "SCIENCE")
    assert [name in " ".join(unread.remarks()) for name in ("calib_level", "dataRights")] == [1, 1]


def test_a_recorded_count(recorded):
    """Its only column is a number, though its field says text."""
    answer = (recorded / "astroquery/countsResp.json").read_bytes()

    (row,) = read_pages(CountRow, "rows", [answer]).rows

    assert row.Column1 == 599


def test_recorded_rows_of_one_observation_are_a_listing(port, recorded):
    """CAOM's rows and the row of a keyword table become two products, one of them with its MD5."""

    def text(name: str) -> str:
        return (recorded / f"mast_viz_{name}.json").read_text()

    products = json.loads(text("products_jw01039_miri_mrs"))[CUBE]
    answers = {
        "columnsconfig": (recorded / "astroquery/columnsconfig.json").read_bytes(),
        "Mast.Caom.Filtered": envelope(f"[{text('parameters_jw01039')}]"),
        "Mast.Caom.Products": envelope(json.dumps(products)),
        "Mast.Jwst.Filtered.Miri": envelope(f"[{text('keywords_search_jw01039_miri_x1d')}]"),
    }

    with replayed(answers, port) as url, Queries(url) as queries:
        listing = query_listing(queries, 1039)

    cube, spectrum = sorted(listing.products, key=lambda product: product.suffix)
    assert listing.doubts == ()
    assert (cube.filename, cube.checksum, cube.size) == (f"{CUBE}_s3d.fits", None, 370405440)
    assert (cube.observation, cube.level, cube.cal_ver, cube.exclusive) == (
        "o004",
        3,
        "1.5.3",
        False,
    )
    assert spectrum.uri == f"mast:JWST/product/{CUBE}_x1d.fits"
    assert spectrum.checksum == "988f90cad25ebfcae20481d6d7aa35e1" and spectrum.size == 190080
    assert (spectrum.crds_ctx, spectrum.sdp_ver) == ("jwst_0913.pmap", "2022_2a")
    assert (spectrum.date, spectrum.date_obs) == (
        "2022-07-02T22:16:43.890",
        "2022-05-07T12:04:20.098",
    )
    assert spectrum.release_date == "2022-07-14T20:30:00.000" and not spectrum.stale
    assert (spectrum.detector, spectrum.exp_type) == ("MIRIFULONG", "MIR_MRS")
    assert (spectrum.subarray, spectrum.filter) == ("FULL", None)


def test_recorded_products_of_two_versions_and_their_place_in_the_cloud(portal, recorded):
    """Sizes came as text; all but the path in the cloud is as recorded."""
    with open(recorded / "mast_caom_products_prvversion_sample.csv") as lines:
        rows = list(csv.DictReader(lines))

    table = portal("Mast.Caom.Products", envelope(json.dumps(rows))).products(["220936210"])
    read = read_products(table, UnreadCells(2561))

    assert [product.cal_ver for product in read] == ["3.0.0"] * 4 + ["2.0.1"] * 4
    assert [product.size for product in read][:3] == [9139451, 7733620800, 930026880]
    assert {(product.level, product.is_withheld) for product in read} == {(3, False)}
    assert [f"s3://stpubdata/{bucket_path(product.filename)}" for product in read] == [
        row["cloud_uri"] for row in rows
    ]


def crds_answer(recorded: Path, observatory: str) -> bytes:
    """The answer of a CRDS server to get_server_info, which was recorded as Python."""
    text = (recorded / f"crds_{observatory}_server_config.py.txt").read_text()
    return json.dumps({"error": None, "result": ast.literal_eval(text)}).encode()


def test_a_recorded_description_of_the_crds_server(recorded):
    """It names 54 invalid files, and the places of mappings and references."""
    with serve() as server:
        server.replies = {"": [body(crds_answer(recorded, "jwst"))]}
        client = CrdsClient(server.url)

        invalid = (recorded / "crds_jwst_bad_files.txt").read_text().split()
        assert client.info["bad_files_list"] == invalid and len(invalid) == 54
        assert client.info["operational_context"] == "jwst_0541.pmap"
        place = "https://jwst-crds.stsci.edu/unchecked_get"
        assert client.url_of("jwst_0541.pmap") == f"{place}/mappings/jwst/jwst_0541.pmap"
        assert client.url_of("jwst_a_0001.fits") == f"{place}/references/jwst/jwst_a_0001.fits"


def test_the_recorded_server_of_another_observatory_is_refused(recorded):
    """Its name is in the message."""
    with serve() as server:
        server.replies = {"": [body(crds_answer(recorded, "roman"))]}

        with pytest.raises(
            ReferencesError, match="expected the server of jwst, found that of roman"
        ):
            _ = CrdsClient(server.url).info
