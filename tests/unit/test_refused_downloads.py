"""Files that were refused: loud once, then one line, and never a reason to do without the rest."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from jwmirror.archive.transfer import Downloaded, MastDownloader
from jwmirror.core.model import Failure, Orders, Product, Receipt, Version
from jwmirror.core.model.run import Run
from jwmirror.services.run.query import REFUSED_FOR, without_refused
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    body,
    file_server,
    small_image,
)
from tests.setup.records import ASN, RATE, product

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
FILE, OTHER = product(RATE, b"bytes"), product(ASN)
ORDERS = Orders(products={"jw01345-o001.1": (FILE, OTHER)})


def refusal(hours_ago: float, of: Product = FILE) -> Failure:
    """A download of the file as it is listed now, that was refused."""
    at = (NOW - timedelta(hours=hours_ago)).isoformat(timespec="seconds")
    why = f"MD5 of {of.filename}: expected a (listed by MAST), got b; the file was moved"
    return Failure(of.filename, why, refused=of.fingerprint, at=at)


def test_what_was_refused_lately_is_not_requested_and_the_rest_is():
    """It is named, with the time of its first refusal."""
    orders = without_refused(ORDERS, [refusal(1), refusal(50)], (), NOW)

    assert orders.products == {"jw01345-o001.1": (OTHER,)}
    (still,) = orders.refused
    assert (still.filename, still.since) == (RATE, "2026-03-30T10:00:00+00:00")
    assert f"{RATE}: still refused since 2026-03-30 (MD5 of {RATE}" in str(still)


def test_the_next_run_requests_it_again():
    """The fault may have passed."""
    orders = without_refused(ORDERS, [refusal(0)], (), NOW)

    assert orders.products == ORDERS.products
    assert [each.filename for each in orders.refused] == [RATE]


def test_after_a_day_it_is_requested_again():
    """And it is still known that it was refused before."""
    hours = REFUSED_FOR / timedelta(hours=1)

    orders = without_refused(ORDERS, [refusal(hours), refusal(hours + 1)], (), NOW)

    assert orders.products == ORDERS.products
    assert [each.filename for each in orders.refused] == [RATE]


def test_another_version_and_an_accepted_file_are_requested_at_once():
    """Nothing is known of them."""
    former = structs.replace(refusal(1), refused="md5:former")

    assert without_refused(ORDERS, [former] * 2, (), NOW) == ORDERS
    assert without_refused(ORDERS, [refusal(1)] * 2, ("jw01345*_rate.fits",), NOW) == ORDERS


def test_an_order_of_which_nothing_is_left_is_none():
    """A job of Snakemake costs seconds."""
    orders = without_refused(Orders(products={"a": (FILE,)}), [refusal(1)] * 2, (), NOW)

    assert orders.products == {}


def test_a_file_is_refused_with_an_error_once():
    """A later run that requests it again and gets the same does not end with an error."""
    receipts = (Receipt(failures=(refusal(0), Failure(ASN, "no answer"))),)
    known = without_refused(ORDERS, [refusal(30)], (), NOW).refused

    first = Run(id="1", fetch_receipts=receipts)
    later = Run(id="2", fetch_receipts=receipts, refused=known)

    assert [failure.name for failure in first.failures] == [RATE, ASN]
    assert [failure.name for failure in later.failures] == [ASN]
    assert later.still_refused == known and not first.still_refused


def test_a_file_that_came_is_not_refused_any_more():
    """MAST may have corrected it."""
    known = without_refused(ORDERS, [refusal(30)], (), NOW).refused
    arrived = Receipt(versions=(Version(product=FILE, sha256="1" * 64, size=1),))

    assert Run(id="2", fetch_receipts=(arrived,), refused=known).still_refused == ()


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch one product, with patterns of accepted names."""

    def fetch(wanted: Product, *accept: str) -> Downloaded | Failure:
        downloader = MastDownloader(server.url, None, 1, HASTY, accept_refused=accept)
        (outcome,) = downloader.download([wanted], tmp_path / "in", tmp_path / "quarantine")
        return outcome

    return fetch


def test_a_refused_download_records_the_version_and_the_time(server, fetch, image):
    """So that later runs know it; one that did not come is only a failure."""
    wanted = product(RATE, b"other bytes")
    server.put(RATE, body(image), body(image))

    refused, absent = fetch(wanted), fetch(product("absent_rate.fits", b"x"))

    assert refused.refused == wanted.fingerprint
    assert datetime.fromisoformat(refused.at) <= datetime.now(UTC)
    assert (absent.refused, absent.at) == ("", "")


BROKEN = {"other bytes": b"SIMPLE", "unreadable": b"not FITS at all"}


@pytest.mark.parametrize("case", BROKEN)
def test_an_accepted_file_is_taken_as_it_is(case, server, fetch, caplog):
    """Whatever MAST lists of it; only a name that fits is taken so."""
    wanted = product(RATE, b"what MAST lists", size=7)
    server.put(RATE, *[body(BROKEN[case])] * 3)

    other = fetch(wanted, "*_cal.fits")
    accepted = fetch(wanted, "*_rate.fits")

    assert accepted.path.read_bytes() == BROKEN[case]
    assert accepted.product == wanted
    assert "archive.accept_refused" in caplog.text
    assert other.refused


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html><html><title>Sorry</title></html>"])
def test_nothing_and_web_pages_are_never_accepted(data, server, fetch):
    """Nor is a body that was cut."""
    server.put(RATE, *[body(data)] * 4)

    assert isinstance(fetch(product(RATE, b"x"), "*"), Failure)


def test_a_cut_body_is_never_accepted(server, fetch, image):
    """Its Content-Length shows it."""
    cut = body(image[:-100], Content_Length=str(len(image)))
    server.put(RATE, *[cut] * 8)

    assert isinstance(fetch(product(RATE, image), "*"), Failure)
