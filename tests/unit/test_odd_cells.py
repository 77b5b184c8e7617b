"""Odd cells, rows and columns of MAST's tables: they say nothing, or are understood."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from jwmirror.archive.tables import rows
from jwmirror.archive.tables.joining import assemble_listing
from jwmirror.archive.tables.portal import read_pages
from jwmirror.archive.tables.unread import UnreadCells
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Listing, Product
from jwmirror.core.model.product import covered_by
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
        "productType": "SCIENCE",
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


UNDERSTOOD = [
    (PRODUCTS, "size", "100.0", "size", 100),
    (PRODUCTS, "calib_level", "2", "level", 2),
    (KEYWORDS, "fileSize", "100.0", "size", 100),
    (KEYWORDS, "fileSize", 100.0, "size", 100),
    (KEYWORDS, "isStale", "T", "stale", True),
    (KEYWORDS, "isStale", 1, "stale", True),
    (KEYWORDS, "checksum", f" {'A1' * 16} ", "checksum", "a1" * 16),
    (KEYWORDS, "date_mjd", "/Date(1693505515000+0000)/", "date", "2023-08-31T18:11:55.000"),
    (KEYWORDS, "date_mjd", "2023-08-31T18:11:55", "date", "2023-08-31T18:11:55.000"),
    (KEYWORDS, "date_mjd", "60187.75827546296", "date", "2023-08-31T18:11:55.000"),
    (KEYWORDS, "cal_ver", 1.5, "cal_ver", "1.5"),
]


@pytest.mark.parametrize(("table", "column", "cell", "field", "value"), UNDERSTOOD)
def test_other_spellings_are_understood_without_a_word(table, column, cell, field, value):
    """A warning would be for nothing."""
    listing, unread = listed_with(table, column, cell)

    assert getattr(named(listing, RATE), field) == value
    assert not list(unread.remarks()) and not unread.doubts


def test_one_remark_for_each_column_counts_the_cells():
    """It names the first file, and some of the values."""
    answers, unread = tables(), UnreadCells(1345)
    for row, cell in zip(answers[PRODUCTS], ["N/A", -1, "N/A", [2]], strict=True):
        row["size"] = cell
    answers[KEYWORDS][1]["isStale"] = "N/A"

    listed(answers, unread)

    of_sizes, of_queue = unread.remarks()
    assert (
        "program 1345, column size: expected a number of bytes, found 'N/A', -1, [2] in 4 cells"
        in (of_sizes)
    )
    assert f"first for {RATE}" in of_sizes
    assert "column isStale" in of_queue and f"1 cell, first for {PUBLIC_RATE}" in of_queue


# ---- access ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["PROPRIETARY", None, "N/A", 7, ["PUBLIC"], "public"])
def test_unknown_rights_are_public_only_where_the_release_is_over(cell):
    """An unknown word is named; the keyword row decides, where there is one."""
    released, unread = listed_with(PRODUCTS, "dataRights", cell, FILES.index(RATE))
    coming, _ = listed_with(PRODUCTS, "dataRights", cell, FILES.index(CLOSED_RATE))
    no_row, _ = listed_with(PRODUCTS, "dataRights", cell, FILES.index(CLOSED_ASN))

    assert not named(released, RATE).exclusive
    assert named(coming, CLOSED_RATE).exclusive and named(no_row, CLOSED_ASN).exclusive
    if cell not in (None, "N/A"):
        assert any("dataRights" in words and repr(cell) in words for words in unread.remarks())


@pytest.mark.parametrize("column", ["dataRights", "isRestricted"])
def test_a_column_of_access_that_is_missing_opens_nothing(column):
    """What was exclusive stays so; what is released for certain stays public."""
    answers, unread = tables(), UnreadCells(1345)
    for row in [*answers[PRODUCTS], *answers[KEYWORDS]]:
        row.pop(column, None)

    closed = {p.filename for p in listed(answers, unread).products if p.exclusive}

    assert closed == {CLOSED_RATE, CLOSED_ASN}
    (words,) = unread.remarks()
    assert f"expected the column {column}" in words and "count as withheld" in words


def test_without_a_release_date_unknown_access_is_withheld(caplog):
    """It is known otherwise only when MAST says so; one warning counts the files."""
    answers = tables()
    for row in answers[KEYWORDS]:
        del row["isRestricted"], row["publicReleaseDate_mjd"]

    listing = listed(answers, UnreadCells(1345))

    assert all(product.exclusive for product in listing.products)
    assert "isRestricted says nothing known of 3 files" in caplog.text


@pytest.mark.parametrize("column", sorted({*keyword_row(RATE), *product_row(RATE)}))
def test_a_missing_column_is_one_remark_or_a_bad_table(column):
    """Only names, and URIs, are required."""
    answers, unread = tables(), UnreadCells(1345)
    for row in [*answers[PRODUCTS], *answers[KEYWORDS]]:
        row.pop(column, None)

    if column in ("filename", "dataURI"):
        with pytest.raises(ArchiveError, match=r"bad|none in|without its name"):
            listed(answers, unread)
        return

    listing = listed(answers, unread)

    assert {product.filename for product in listing.products} == set(FILES)
    (words,) = unread.remarks()
    assert f"expected the column {column}, found only" in words


# ---- rows ------------------------------------------------------------------------------------


def test_a_row_without_uri_is_a_doubt_of_its_file():
    """The mirror's file keeps its state; the others are listed."""
    listing, unread = listed_with(PRODUCTS, "dataURI", None)

    assert {p.filename for p in listing.products} == set(FILES) - {RATE}
    (doubt,) = unread.doubts
    assert (doubt.scope, "no dataURI" in doubt.why) == (f"program 1345, {RATE}", True)


def test_a_row_without_name_has_the_name_in_its_uri():
    """MAST's URIs end with it."""
    listing, unread = listed_with(PRODUCTS, "productFilename", {"x": 1})

    assert listing.products == tuple(WHOLE[p.filename] for p in listing.products)
    assert not unread.doubts


@pytest.mark.parametrize("row", [None, "x", 7, [1], {}])
def test_what_is_no_row_is_a_doubt_of_what_it_may_be_about(row):
    """In CAOM's products, of the whole program: any file may be in it."""
    answers, unread = tables(), UnreadCells(1345)
    answers[PRODUCTS][0] = row

    listed(answers, unread)

    (doubt,) = unread.doubts
    assert doubt.scope == "program 1345"


def test_an_observation_without_obsid_is_a_doubt():
    """Its files cannot be asked for."""
    answers, unread = tables(), UnreadCells(1345)
    answers[OBSERVATIONS].append({**answers[OBSERVATIONS][0], "obsid": None})

    listed(answers, unread)

    (doubt,) = unread.doubts
    assert doubt.scope == "program 1345, observation o001"


def test_a_keyword_row_without_name_is_left_out_if_its_file_is_public():
    """The file is as one without a row."""
    listing, unread = listed_with(KEYWORDS, "filename", "N/A")

    assert (named(listing, RATE).checksum, named(listing, RATE).exclusive) == (None, False)
    (words,) = unread.remarks()
    assert "left out 1 row without a file name" in words


def test_a_keyword_row_without_name_of_a_withheld_file_makes_the_table_bad():
    """Without it, the file would count as public, because CAOM calls it so."""
    closed = [row["filename"] for row in tables()[KEYWORDS]].index(CLOSED_RATE)

    with pytest.raises(ArchiveError, match="a row of a withheld file without its name"):
        listed_with(KEYWORDS, "filename", None, closed)


def test_many_bad_rows_make_a_bad_table():
    """Doubts one by one are for few."""
    answers, unread = tables(), UnreadCells(1345)
    many = [product_row(RATE.replace("_00001_", f"_{n:05d}_")) for n in range(100, 140)]
    answers[PRODUCTS] += [{**row, "dataURI": None} for row in many]

    with pytest.raises(ArchiveError, match="more than 20 rows like this"):
        listed(answers, unread)


OLD = {"checksum": "0d" * 16, "date_mjd": 60000.0, "cal_ver": "1.15.0"}


@pytest.mark.parametrize("new_first", [True, False])
def test_of_two_rows_of_one_file_the_newer_counts(new_first):
    """In whatever order they come."""
    answers = tables()
    first, *others = answers[KEYWORDS]
    pair = [first, {**first, **OLD}]
    answers[KEYWORDS] = [*(pair if new_first else pair[::-1]), *others]

    listing = listed(answers, UnreadCells(1345))

    assert named(listing, RATE) == WHOLE[RATE]


@pytest.mark.parametrize("date", [None, 61041.25])
def test_where_dates_do_not_show_the_newer_row_the_checksum_is_unknown(date):
    """A wrong guess could hide a new version."""
    answers = tables()
    first = answers[KEYWORDS][0]
    answers[KEYWORDS].append({**first, **OLD, "date_mjd": date})

    assert named(listed(answers, UnreadCells(1345)), RATE).checksum is None


@pytest.mark.parametrize("old_is_closed", [True, False])
def test_of_two_rows_of_one_file_the_stricter_access_counts(old_is_closed):
    """One of them may be odd."""
    answers = tables()
    first = answers[KEYWORDS][0]
    first["isRestricted"] = not old_is_closed
    answers[KEYWORDS].append({**first, **OLD, "isRestricted": old_is_closed})

    assert named(listed(answers, UnreadCells(1345)), RATE).exclusive


# ---- any value in any cell -------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["N/A", "null", "-999", "100.0", "PUBLIC", "/Date(1693505515000)/", "T"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
PLACES = [
    (table, number, column)
    for table, of_table in tables().items()
    for number, row in enumerate(of_table)
    for column in row
]


PUBLIC = (False, 0, "PUBLIC", "F", "f", "N", "n", "0", "false")  # what says so in either table


@given(place=st.sampled_from(PLACES), cell=VALUES)
def test_any_value_in_any_cell_affects_its_file_at_most(place, cell):
    """No other file changes, and none becomes public because of it."""
    table, number, column = place
    answers, unread = tables(), UnreadCells(1345)
    own = answers[table][number].get("productFilename") or answers[table][number].get("filename")
    answers[table][number][column] = cell

    try:
        products = {p.filename: p for p in listed(answers, unread).products}
    except ArchiveError as err:  # of a table of which nothing is left, or a withheld file's name
        assert table == OBSERVATIONS or column == "filename", err
        return

    is_doubted = covered_by(unread.doubts)
    for name in set(FILES) - {own}:
        whole = WHOLE[name]
        if table == OBSERVATIONS and name in products:  # the instrument of an association is there
            whole = structs.replace(whole, instrument=products[name].instrument)
        assert is_doubted(whole) or products[name] == whole
    assert own is None or own in products or is_doubted(WHOLE[own])  # it does not vanish
    opened = {name for name, product in products.items() if not product.exclusive}
    assert opened <= {RATE, PUBLIC_RATE} or cell in PUBLIC
