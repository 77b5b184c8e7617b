"""The switches of the simulated MAST: each does what it says, and is listed with a source."""

import json
import time
from dataclasses import fields

import pytest

from jwmirror_simulator.mast import TOKEN, Oddities
from jwmirror_simulator.mast.client import KEYWORDS, get, invoke, keyword_row, products, rows
from jwmirror_simulator.mast.storage import edits

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
UNCAL, RATE, CAL = (f"{EXPOSURE}_{suffix}.fits" for suffix in ("uncal", "rate", "cal"))
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"


def listed(archive) -> set[str]:
    """Return the names of NIRCam files with a keyword row."""
    return {row["filename"] for row in rows(archive, program=1345)}


def ask(archive, service: str = KEYWORDS, columns: str = "*", **more) -> dict:
    """Return the answer of a service without a filter."""
    return invoke(archive, service, {"columns": columns, "filters": []}, **more)


def obsids(archive) -> list[str]:
    """Return the obsids of all observations of the program."""
    return [str(row["obsid"]) for row in rows(archive, "Mast.Caom.Filtered", proposal_id="1345")]


# ---- tables -----------------------------------------------------------------------------------


def test_rows_of_lower_levels_vanish_when_a_higher_one_appears(archive):
    """Uncal and rate have rows until there is a cal; level 3 always has."""
    archive.oddities = Oddities(keyword_rows="highest")
    with_cal = listed(archive)
    archive.withdraw(CAL)
    without = listed(archive)

    assert {CAL, f"{MOSAIC}_i2d.fits"} <= with_cal
    assert not {UNCAL, RATE} & with_cal
    assert RATE in without
    assert UNCAL not in without


def test_keyword_tables_can_have_no_rows(archive):
    """No file has a row, in whatever table."""
    archive.oddities = Oddities(keyword_rows="none")

    assert listed(archive) == set()


@pytest.mark.parametrize("order", ["new first", "old first"])
def test_a_reprocessed_file_can_have_two_rows(archive, order):
    """The former row, with its checksum and DATE, comes in either order."""
    before = keyword_row(archive, RATE)
    archive.reprocess(RATE, edits.same_size)
    after = keyword_row(archive, RATE)

    archive.oddities = Oddities(two_rows=order)

    both = rows(archive, filename=RATE)
    assert both == ([after, before] if order == "new first" else [before, after])
    assert len(rows(archive, filename=CAL)) == 1


def test_files_can_have_an_obsid_of_no_observation(archive):
    """Only the parent_obsid of a product is one that the query for observations gives."""
    archive.oddities = Oddities(own_obsids=True)

    row = products(archive, EXPOSURE)[RATE]

    assert str(row["parent_obsid"]) in obsids(archive)
    assert str(row["obsID"]) not in obsids(archive)


def test_a_table_can_be_unknown_or_empty(archive):
    """Status ERROR, or no rows; other tables are not concerned."""
    archive.oddities = Oddities(absent_tables=("Nircam",), empty_tables=("Mast.Caom.Filtered",))

    assert ask(archive)["status"] == "ERROR"
    assert ask(archive, "Mast.Caom.Filtered")["data"] == []
    assert ask(archive, "Mast.Jwst.Filtered.Miri")["status"] == "COMPLETE"


def test_an_unknown_column_is_refused_or_ignored(archive):
    """With status ERROR, with HTTP 500, or by an answer without it."""
    lacking = {"absent_columns": ("texptime",)}
    archive.oddities = Oddities(**lacking)
    assert ask(archive, columns="filename,texptime")["status"] == "ERROR"
    assert "texptime" not in ask(archive)["data"][0]

    archive.oddities = Oddities(unknown_column="500", **lacking)
    with pytest.raises(json.JSONDecodeError):
        ask(archive, columns="filename,texptime")

    archive.oddities = Oddities(unknown_column="ignored", **lacking)
    assert list(ask(archive, columns="filename,texptime")["data"][0]) == ["filename"]


@pytest.mark.parametrize("value", ["N/A", None, "", -1, "100.0", "/Date(1700000000000+0000)/"])
def test_cells_can_have_any_value(archive, value):
    """A value replaces those of a column in all tables; filters still see the true ones."""
    archive.oddities = Oddities(odd_cells={"fileSize": value, "size": value})

    assert keyword_row(archive, RATE)["fileSize"] == value
    assert products(archive, EXPOSURE)[RATE]["size"] == value


@pytest.mark.parametrize(("dates", "ending"), [("ms", "000)/"), ("zoned", "000+0000)/")])
def test_dates_can_be_milliseconds(archive, dates, ending):
    """/Date(ms)/, with or without a time zone."""
    archive.oddities = Oddities(dates=dates)

    date = keyword_row(archive, RATE)["date"]

    assert date.startswith("/Date(1767")
    assert date.endswith(ending)


def test_an_answer_can_end_at_the_page_limit(archive):
    """Neither rows nor counts tell that there is more, but COUNT_BIG(*) does."""
    archive.oddities = Oddities(page_limit=4, cut_at_page=True)

    answer = ask(archive)

    assert (len(answer["data"]), answer["paging"]["rowsFiltered"]) == (4, 4)
    assert ask(archive, page=2)["data"] == []
    assert ask(archive, columns="COUNT_BIG(*)")["data"] == [{"Column1": 8}]


def test_products_come_in_pages(archive):
    """Mast.Caom.Products honours pagesize and page."""
    group = {"obsid": ",".join(obsids(archive))}

    pages = [invoke(archive, "Mast.Caom.Products", group, pagesize=7, page=n) for n in (1, 2, 3)]

    total = pages[0]["paging"]["rowsFiltered"]
    assert [len(page["data"]) for page in pages] == [7, 7, min(7, total - 14)]


@pytest.mark.parametrize("manner", ["ERROR", "EXECUTING"])
def test_groups_of_observations_can_fail(archive, manner):
    """More observations than the limit fail; fewer do not."""
    every = obsids(archive)
    archive.oddities = Oddities(group_limit=1, group_failure=manner)

    assert invoke(archive, "Mast.Caom.Products", {"obsid": ",".join(every)})["status"] == manner
    assert invoke(archive, "Mast.Caom.Products", {"obsid": every[0]})["status"] == "COMPLETE"


# ---- downloads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("etag", "stays", "differs"),
    [
        ("strong", True, True),
        ("random", False, True),
        ("replicas", False, True),
        ("constant", True, False),
    ],
)
def test_etags_can_be_useless(archive, etag, stays, differs):
    """Random ones differ for equal bytes, and constant ones are equal for other bytes."""
    archive.oddities = Oddities(etag=etag)
    first, second = (get(archive, RATE).headers["ETag"] for _ in range(2))

    archive.reprocess(RATE, edits.same_size)
    third, fourth = (get(archive, RATE).headers["ETag"] for _ in range(2))

    assert (first == second) == stays
    assert ({first, second} != {third, fourth}) == differs


@pytest.mark.parametrize("code", [400, 403, 405, 501])
def test_a_range_can_be_refused(archive, code):
    """The request with Range gets the status; one without it gets the file."""
    archive.oddities = Oddities(ranges=code)

    assert get(archive, UNCAL, Range="bytes=100-").status == code
    assert get(archive, UNCAL).status == 200


@pytest.mark.parametrize(("token", "status"), [("valid", 200), ("expired", 200), ("refused", 401)])
def test_a_token_can_be_rejected(archive, token, status):
    """whoami answers anonymous; exclusive files are withheld; refused ones open nothing at all."""
    archive.restrict(CAL)
    archive.oddities = Oddities(token=token)
    with_token = {"Authorization": f"token {TOKEN}"}

    assert get(archive, UNCAL, **with_token).status == status
    assert get(archive, CAL, **with_token).status == (200 if token == "valid" else 401)
    assert get(archive, UNCAL).status == 200


@pytest.mark.parametrize("length", ["sent", "chunked"])
def test_bodies_can_trickle(archive, length):
    """A body of 8640 bytes takes its time, however its end is announced."""
    archive.oddities = Oddities(trickle=40_000, length=length)
    started = time.monotonic()

    body = get(archive, UNCAL).data

    assert time.monotonic() - started >= 0.2
    assert body == archive.path(UNCAL).read_bytes()


def test_a_maintenance_page_has_status_200(archive):
    """Each part of the archive can be down, with a page of HTML."""
    archive.oddities = Oddities(maintenance=("downloads",))

    page = get(archive, UNCAL)

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html")
    assert ask(archive)["status"] == "COMPLETE"


# ---- the record -------------------------------------------------------------------------------


def test_each_switch_has_a_meaning_and_a_source():
    """What is assumed says so."""
    for switch in fields(Oddities):
        assert switch.metadata["meaning"]
        assert switch.metadata["source"]


def test_switches_can_be_written_in_a_command_line():
    """Words, numbers, yes and no, lists and cells; unknown ones are refused with what exists."""
    words = ["etag=weak", "own_obsids", "heads=no", "ranges=501", "trickle=1e3"]

    read = Oddities.read([*words, "absent_tables=Miri,Fgs", "odd_cells=size:N/A,fileSize:-1"])

    assert read == Oddities(
        etag="weak",
        own_obsids=True,
        heads=False,
        ranges=501,
        trickle=1000.0,
        absent_tables=("Miri", "Fgs"),
        odd_cells={"size": "N/A", "fileSize": -1},
    )
    with pytest.raises(ValueError, match="etag: expected one of strong, weak"):
        Oddities.read(["etag=soft"])
    with pytest.raises(ValueError, match="tag: expected one of keyword_rows"):
        Oddities.read(["tag=weak"])
