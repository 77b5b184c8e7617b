"""Odd cells, rows and columns of MAST's tables: they say nothing, or are understood."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from jwmirror.archive.listing import assemble_listing
from jwmirror.archive.tables import rows
from jwmirror.archive.tables.portal import read_pages
from jwmirror.archive.tables.unread import UnreadCells
from jwmirror.core.model import Listing, Product
from tests.setup.records import RATE

NOW = "2026-06-01T00:00:00+00:00"
PUBLIC_RATE = RATE.replace("_00001_", "_00002_")
CLOSED_RATE = RATE.replace("_00001_", "_00003_")
CLOSED_ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"
FILES = (RATE, PUBLIC_RATE, CLOSED_RATE, CLOSED_ASN)

Table = list[dict[str, Any]]
OBSERVATIONS, PRODUCTS, KEYWORDS = "observations", "products", "keywords"


def tables() -> dict[str, Table]:
    """The three tables of a program: two public files, two exclusive ones, of which one has a row.

    An exclusive file's two tables disagree: each of them calls one of the files public.
    """
    observation = {
        "obsid": "1",
        "instrument_name": "NIRCAM/IMAGE",
        "calib_level": 3,
        "proposal_id": "1345",
        "obs_id": "jw01345-o001_t001_nircam_clear-f200w",
    }
    return {
        OBSERVATIONS: [observation],
        PRODUCTS: [product_row(name) for name in FILES],
        KEYWORDS: [keyword_row(name) for name in FILES if name.endswith(".fits")],
    }


def product_row(filename: str) -> dict[str, Any]:
    """A row of Mast.Caom.Products."""
    return {
        "dataURI": f"mast:JWST/product/{filename}",
        "productFilename": filename,
        "obsID": "1",
        "size": 100,
        "calib_level": 2,
        "prvversion": "1.20.2",
        "dataRights": "EXCLUSIVE_ACCESS" if filename == CLOSED_ASN else "PUBLIC",
        "productGroupDescription": None,
    }


def keyword_row(filename: str) -> dict[str, Any]:
    """A row of Mast.Jwst.Filtered.Nircam."""
    is_closed = filename == CLOSED_RATE
    return {
        "filename": filename,
        "checksum": "a1" * 16,
        "fileSize": 100,
        "date_mjd": 61041.25,
        "cal_ver": "1.20.2",
        "crds_ctx": "jwst_1464.pmap",
        "sdp_ver": "2025_4a",
        "isStale": False,
        "isRestricted": is_closed,
        "publicReleaseDate_mjd": 90000.0 if is_closed else 61043.0,
        "instrume": "NIRCAM",
        "detector": "NRCB1",
        "exp_type": "NRC_IMAGE",
        "subarray": "FULL",
        "program": 1345,
        "date_obs_mjd": 61000.0,
        "filter": "F200W",
        "pupil": "CLEAR",
    }


def page(data: Sequence[object]) -> bytes:
    """A page of the Portal; NaN and Infinity are written as Python writes them."""
    paging = {"rows": len(data), "rowsFiltered": len(data)}
    return json.dumps({"status": "COMPLETE", "paging": paging, "data": list(data)}).encode()


def listed(answers: dict[str, Table], unread: UnreadCells) -> Listing:
    """The listing of what MAST answers."""
    kinds = {
        OBSERVATIONS: rows.ObservationRow,
        PRODUCTS: rows.ProductRow,
        KEYWORDS: rows.KeywordRow,
    }
    read = {name: read_pages(kinds[name], name, [page(answers[name])]) for name in answers}
    observations = rows.read_observations(read[OBSERVATIONS], unread)
    files = rows.read_products(read[PRODUCTS], unread)
    records = rows.read_keywords(read[KEYWORDS], "Nircam", unread)
    return assemble_listing(1345, NOW, observations, files, records)


def listed_with(table: str, column: str, cell: object, row: int = 0) -> tuple[Listing, UnreadCells]:
    """The listing with one odd cell, of RATE unless another row is named."""
    answers, unread = tables(), UnreadCells(1345)
    answers[table][row][column] = cell
    return listed(answers, unread), unread


def named(listing: Listing, filename: str) -> Product:
    """The product of that file name."""
    (product,) = [product for product in listing.products if product.filename == filename]
    return product


WHOLE = {product.filename: product for product in listed(tables(), UnreadCells(1345)).products}


def test_the_tables_of_this_test_have_what_it_is_about():
    """Two files are exclusive, one by each table."""
    closed = {name for name, product in WHOLE.items() if product.exclusive}

    assert set(WHOLE) == set(FILES)
    assert closed == {CLOSED_RATE, CLOSED_ASN}


# ---- single cells ----------------------------------------------------------------------------

NOTHING = ["N/A", "null", "", -1, -999, None, float("nan"), float("inf"), [1], {"a": 1}, True, "x"]
COLUMNS = {  # -> field of a product, for cells that say nothing where text stands
    (PRODUCTS, "size"): "size",
    (PRODUCTS, "calib_level"): "level",
    (KEYWORDS, "fileSize"): "size",
    (KEYWORDS, "checksum"): "checksum",
    (KEYWORDS, "date_mjd"): "date",
    (KEYWORDS, "publicReleaseDate_mjd"): "release_date",
    (KEYWORDS, "date_obs_mjd"): "date_obs",
}


@pytest.mark.parametrize("cell", NOTHING, ids=repr)
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_cell_that_says_nothing_is_empty_and_nothing_else_changes(table, column, cell):
    """The other cells of its row, and the other rows, are as they were."""
    listing, unread = listed_with(table, column, cell)

    product, field = named(listing, RATE), COLUMNS[table, column]
    is_level = (column, cell) == ("calib_level", -1)  # planned
    expected = {"size": 100}.get(field) if field == "size" else (-1 if is_level else None)
    assert getattr(product, field) == expected  # the size is in both tables
    others = {p.filename: p for p in listing.products if p.filename != RATE}
    assert others == {name: WHOLE[name] for name in others} and len(others) == len(FILES) - 1
    assert not unread.doubts
