"""A file listed as public that comes only with the token is exclusive until it comes without."""

import pytest
from msgspec import structs

from jwmirror.archive.poll import poll
from jwmirror.archive.transfer import withheld_without_token
from jwmirror.core.model import Poll, Product, Selection, Version
from jwmirror.core.model.product import NEW, RELEASED, REPROCESSED, WITHHELD, Change
from jwmirror.store.access import has_access_changed, row_contents
from jwmirror.store.entries import upstream_entries
from jwmirror.store.manifest import entries_of
from jwmirror_simulator.mast import TOKEN
from tests.setup.file_server import (  # noqa: F401
    body,
    file_server,
    hasty_fetch,
    small_image,
)
from tests.setup.listings import changes_of
from tests.setup.records import RATE, entry, listing, product

LISTED = product(RATE, b"pixels")
DOUBTED = structs.replace(LISTED, needs_token=True)


def version(of: Product) -> Version:
    """A version of a product, as a fetch records it."""
    return Version(product=of, sha256="0" * 64, size=6)


def test_a_download_records_that_the_anonymous_request_was_refused(server, fetch, image):
    """And only that: a file that comes without the token needs none."""
    server.put(RATE, body(b"", status=401), body(image), body(image))

    (first,) = fetch(product(RATE, image), token="sesame")
    first.path.unlink()
    (second,) = fetch(product(RATE, image), token="sesame")

    assert (first.product.needs_token, second.product.needs_token) == (True, False)


def test_a_file_that_came_with_the_token_is_not_taken_over_from_a_killed_fetch(
    server, fetch, image, tmp_path
):
    """The next fetch would not know how it came, so it asks again."""
    server.put(RATE, body(b"", status=401), body(image), body(b"", status=401), body(image))

    (left,) = fetch(product(RATE, image), token="sesame")
    assert left.path.is_file()
    (arrived,) = fetch(product(RATE, image), token="sesame")

    assert arrived.product.needs_token
    assert len(server.requests) == 4


def test_an_unfinished_file_is_not_continued_with_the_token(server, fetch, image, tmp_path):
    """Its first part came without; the whole file is requested again, and is exclusive."""
    cut = body(image[:5000], Content_Length=str(len(image)), ETag='"v1"')
    server.put(RATE, cut, cut, cut, body(b"", status=401), body(image, ETag='"v1"'))
    fetch(product(RATE, image), token="sesame")

    (arrived,) = fetch(product(RATE, image), token="sesame")

    assert arrived.product.needs_token
    assert arrived.path.read_bytes() == image


def test_the_row_of_a_new_version_says_how_it_came():
    """Also when the next version comes without the token."""
    new = Poll(listings=(), changes=(Change(kind=NEW, product=LISTED),))
    newer = structs.replace(LISTED, checksum="5a" * 16)
    changed = Poll(listings=(), changes=(Change(kind=REPROCESSED, product=newer),))

    (first,) = upstream_entries((), new, [version(DOUBTED)])
    (second,) = upstream_entries([first], changed, [version(DOUBTED), version(newer)])

    assert (first.upstream.needs_token, second.upstream.needs_token) == (True, False)


def test_a_file_that_still_needs_the_token_has_not_changed():
    """And one that comes without it is released: its row is public, whatever its receipt says."""
    held = entry(DOUBTED)

    unchanged = changes_of(listing(DOUBTED), held)
    (released,) = changes_of(listing(LISTED), held)
    (row,) = upstream_entries([held], Poll(listings=(), changes=(released,)), [version(DOUBTED)])

    assert unchanged == ()
    assert (released.kind, str(released.reasons[0])) == (
        RELEASED,
        "access: exclusive (listed as public, given only with the token) -> public",
    )
    assert not row.upstream.needs_token


def test_access_is_decided_by_it():
    """Like that of a product that MAST lists as exclusive."""
    doubted, public = (entries_of([entry(item)]) for item in (DOUBTED, LISTED))

    assert [row.is_exclusive for row in (*row_contents(doubted), *row_contents(public))] == [1, 0]
    assert has_access_changed(doubted, public)


def test_a_poll_asks_again_without_the_token(archive):
    """The row becomes public only when MAST gives the file to anyone, whatever it lists meanwhile.

    A file that is listed as exclusive is not requested, nor are files without the mark.
    """
    file = "jw01345001001_02101_00001_nrcb1_uncal.fits"
    listed = poll(archive.url, [Selection(program=1345)], (), TOKEN, 2).listings[0]
    one = next(item for item in listed.products if item.filename == file)
    held = [entry(structs.replace(one, needs_token=True))]
    archive.guarded.add(file)

    guarded = poll(archive.url, [Selection(program=1345)], held, TOKEN, 2)
    archive.guarded.clear()
    archive.restrict(file)
    closed = poll(archive.url, [Selection(program=1345)], held, TOKEN, 2)
    archive.release(file)
    given = poll(archive.url, [Selection(program=1345)], held, TOKEN, 2)

    kinds = [
        [change.kind for change in polled.changes if change.product.uri == one.uri]
        for polled in (guarded, closed, given)
    ]
    assert kinds == [[], [WITHHELD], [RELEASED]]
    assert [request.with_token for request in archive.downloads(file)] == [False, False]


ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"
CAT = "jw01345-o001_t001_nircam_clear-f200w_cat.ecsv"
IMAGES = b"SIMPLE  =                    T"
MEMBERS = b'{"asn_type": "image3"}'
GIVEN = {
    "an image": (RATE, IMAGES, True),
    "an association": (ASN, MEMBERS, True),
    "a catalogue": (CAT, b"# %ECSV 1.0\n", True),
    "a pool": ("jw01345_20260101t000000_pool.csv", b"PROGRAM|OBS", True),
    "a page for an image": (RATE, b"<!DOCTYPE html><title>Maintenance</title>", False),
    "a page for an association": (ASN, b" <html>", False),
    "a page for a catalogue": (CAT, b" <html>", False),
    "an error in JSON": (ASN, b'{"status": "ERROR"}', False),
    "an error in JSON for a pool": ("jw01345_20260101t000000_pool.csv", b'{"error": 1}', False),
    "an error in XML": (RATE, b"<?xml version='1.0'?><Error/>", False),
    "nothing": (CAT, b"", False),
}


@pytest.mark.parametrize("case", GIVEN)
def test_only_the_file_itself_shows_that_no_token_is_needed(server, case):
    """Another answer with status 200, as in maintenance, does not open it to everybody."""
    name, content, is_given = GIVEN[case]
    server.put(name, body(content))
    item = product(name)

    withheld = withheld_without_token([item], server.url, 1)

    assert withheld == (set() if is_given else {item.uri})
