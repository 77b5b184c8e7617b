"""Web pages in place of data: a page of maintenance is called one, and nothing of it is stored."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from jwmirror.core.errors import MaintenanceError, ReferencesError
from jwmirror.core.model import Failure
from jwmirror.crds.client import FileFacts, UnreachableError
from jwmirror.crds.sync import CrdsClient, ensure_cached
from jwmirror.net.web_pages import HEAD, UNTITLED, page_title
from jwmirror_simulator.mast import Oddities
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    body,
    file_server,
    hasty_fetch,
    small_image,
)
from tests.setup.listings import ask_mast
from tests.setup.records import ASN, RATE, product

TITLE = "MAST: scheduled maintenance"
PAGE = f"<!DOCTYPE html>\n<html><head><title>{TITLE}</title></head></html>".encode()

PAGES = {
    "plain": (PAGE, TITLE),
    "upper case": (PAGE.upper(), TITLE.upper()),
    "after a mark of byte order": (b"\xef\xbb\xbf" + PAGE, TITLE),
    "after a comment and a prologue": (b"<?xml version='1.0'?>\n<!-- a > b --> " + PAGE, TITLE),
    "without doctype": (b" <html lang='en'><title>\n Back &amp; soon </title>", "Back & soon"),
    "without title": (b"<html><body>Down", UNTITLED),
    "whose title is empty": (b"<html><title> </title>", UNTITLED),
    "whose title is long": (b"<title>" + b"x" * 500 + b"</title>", "x" * 100),
    "whose title is not closed": (b"<html><title>" + b"x" * 2 * HEAD, UNTITLED),
}


@pytest.mark.parametrize("case", PAGES)
@pytest.mark.parametrize("status", [200, 503])
def test_a_web_page_has_a_title(case, status):
    """Whatever comes before it, and however it is written."""
    page, title = PAGES[case]

    assert page_title(status, page) == title


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"SIMPLE  =                    T", b'{"status": "COMPLETE"}', b"# %ECSV 1.0\n"),
        *(b"<VOTABLE>", b"<?xml version='1.0'?><Error/>", b"<!--" * 1000, b"html", b"\xff\xfe<"),
    ],
)
def test_data_and_other_errors_are_no_web_page(head):
    """Nor is a page of an error that is not temporary."""
    assert page_title(200, head) is None
    assert page_title(404, PAGE) is page_title(None, PAGE) is None


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("name", [RATE, ASN])
def test_a_page_in_place_of_a_file_is_called_maintenance(
    name, status, server, fetch, image, tmp_path
):
    """With its title; it is no wrong file, so nothing is in quarantine."""
    server.put(name, body(PAGE, status=status))

    (failure,) = fetch(product(name, image[:20]))

    assert isinstance(failure, Failure)
    host = server.url.removeprefix("http://")
    assert f"MAST is in maintenance: {host} answered with status {status}" in failure.message
    assert TITLE in failure.message and "the next run requests it again" in failure.message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert len(server.requests) <= HASTY.attempts


def test_a_page_that_comes_once_costs_one_more_request(server, fetch, image):
    """As other bodies that are not right."""
    server.put(RATE, body(PAGE), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image


@pytest.mark.parametrize(("names", "requested"), [(16, 16), (40, 20)])
def test_in_maintenance_the_rest_is_not_requested(server, fetch, names, requested):
    """After 16 pages in a row, and those under way at that moment; each file is a failure."""
    products = [product(RATE.replace("00001", f"{number:05d}", 1)) for number in range(names)]
    for item in products:
        server.put(item.filename, body(PAGE, status=503))

    failures = fetch(*products)

    assert len(failures) == names and all("in maintenance" in f.message for f in failures)
    assert names / 2 > 16 or len(server.requests) == names * HASTY.attempts
    assert len(server.requests) <= requested * HASTY.attempts


def test_one_file_with_a_page_is_no_maintenance(server, fetch, image):
    """The others are requested."""
    server.put(ASN, body(PAGE, status=503))
    names = [RATE.replace("00001", f"{number:05d}", 1) for number in range(20)]
    for name in names:
        server.put(name, body(image))

    outcomes = fetch(product(ASN), *map(product, names))

    assert sum(isinstance(outcome, Failure) for outcome in outcomes) == 1


def test_a_page_cut_in_its_first_bytes_is_a_cut_body(server, fetch, image):
    """Which is requested again."""
    server.put(RATE, body(PAGE[:30], Content_Length="900"), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image


def test_an_error_page_that_does_not_end_is_an_error_of_its_status(server, fetch):
    """503 with a body that is cut."""
    server.put(RATE, body(b"<ht", status=503, Content_Length="900"))

    (failure,) = fetch(product(RATE))

    assert "expected status 200, got 503" in failure.message


def test_a_page_in_place_of_a_reference_is_called_maintenance_of_crds(server, tmp_path):
    """By the code that MAST's files share; nothing is in the cache."""
    name = "jwst_nircam_dark_0001.fits"
    server.put(name, body(PAGE))
    client = CrdsClient(server.url, HASTY)
    client.__dict__["info"] = {"reference_url": {"unchecked": {"jwst": server.url}}}
    path = tmp_path / "references" / name

    with pytest.raises(ReferencesError, match=f"CRDS is in maintenance.*{TITLE}"):
        ensure_cached(client, FileFacts(name, 5, "0" * 40), path, tmp_path)

    assert list(Path(path.parent).iterdir()) == []


@pytest.mark.parametrize("part", ["portal", "columns"])
def test_a_page_in_place_of_a_table_is_called_maintenance(part, archive):
    """Of a query, and of the names of its columns, which astroquery asks for once in a process."""
    archive.oddities = Oddities(maintenance=(part,))

    with (
        ProcessPoolExecutor(1, get_context("spawn")) as process,
        pytest.raises(MaintenanceError, match=r"MAST query for .*: MAST is in maintenance"),
    ):
        process.submit(ask_mast, archive.url).result(timeout=120)


@pytest.mark.parametrize("status", [200, 503])
def test_a_page_in_place_of_crds_s_answer_is_no_answer(server, status):
    """So that what was verified before is used."""
    server.put("", body(PAGE, status=status))
    client = CrdsClient(server.url, replace(HASTY, attempts=1))

    with pytest.raises(UnreachableError, match=f"in maintenance.*{TITLE}"):
        client.call("get_server_info")


def test_a_title_is_printable():
    """It is a foreign text."""
    error = MaintenanceError("a", "MAST", "host", 200, "\x1b[31mred")

    assert "\x1b" not in str(error) and error.title in ("\x1b[31mred",)
