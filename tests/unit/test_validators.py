"""Validators: files without MAST checksum are told apart, and unchanged ones not downloaded."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.archive.validators import add_validators
from jwmirror.core.model import Listing
from jwmirror.net.http import Timeouts
from jwmirror_simulator.mast import TOKEN, Archive, Oddities
from jwmirror_simulator.mast.faults import status
from jwmirror_simulator.mast.toy_files import toy_association
from tests.setup.records import product

HASTY = Timeouts(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"
MEMBERS = [f"jw01345001001_02101_0000{n}_nrcb1_cal.fits" for n in (1, 2)]


@pytest.fixture
def look(archive: Archive) -> Callable[..., str | None]:
    """The validator of the association, where a validator was known or not."""

    def look(known: str | None = None, token: str | None = None, **facts: object) -> str | None:
        listing = Listing(program=1345, asked_at="", products=(product(ASN, **facts),))
        held = {product(ASN).uri: known} if known else {}
        return (
            add_validators(listing, archive.url, held, token, timeouts=HASTY).products[0].validator
        )

    return look


@pytest.fixture
def new_content(archive: Archive, tmp_path: Path) -> Callable[[], None]:
    """Let the archive have the association with other members under the same name."""

    def change() -> None:
        file = toy_association(tmp_path, ASN, "jw01345-o001_t001", [MEMBERS[1]])
        archive.reprocess(ASN, file)

    return change


MANNERS = {
    "strong ETag": Oddities(etag="strong"),
    "weak ETag": Oddities(etag="weak"),
    "no ETag": Oddities(etag="none"),
    "nothing": Oddities(etag="none", last_modified=False, length="chunked"),
}


@pytest.mark.parametrize("manner", MANNERS)
def test_an_unchanged_association_keeps_its_validator(manner, look, archive):
    """Whatever the server sends, the same content has the same validator at the next poll."""
    archive.oddities = MANNERS[manner]

    first = look()

    assert first
    assert look(known=first) == first


@pytest.mark.parametrize("manner", MANNERS)
def test_a_changed_association_gets_another_validator(manner, look, archive, new_content):
    """New content of equal size under the same name is noticed."""
    archive.oddities = MANNERS[manner]
    first = look()
    new_content()

    assert look(known=first) not in (None, first)


def test_an_unchanged_association_is_not_downloaded_again(look, archive):
    """With a strong ETag, looking again costs no body."""
    first = look()
    sent = len(archive.downloads())

    look(known=first)

    assert archive.requests[-1].status == 304
    assert len(archive.downloads()) == sent


def test_many_products_share_few_connections(archive, tmp_path):
    """More products than connections are all looked at, first and again."""
    names = [ASN.replace("00001", f"{number:05d}") for number in range(2, 9)]
    files = [toy_association(tmp_path, name, "jw01345-o001_t001", MEMBERS) for name in names]
    archive.publish(*files)
    products = tuple(product(name) for name in sorted(names))
    listing = Listing(program=1345, asked_at="", products=products)

    first = add_validators(listing, archive.url, {}, downloads=2, timeouts=HASTY)
    known = {each.uri: each.validator for each in first.products}
    second = add_validators(listing, archive.url, known, downloads=2, timeouts=HASTY)

    assert all(each.validator for each in first.products)
    assert second == first


def test_without_a_strong_etag_the_content_tells(look, archive):
    """A weak ETag is not trusted: the validator is the sha256 of the body."""
    archive.oddities = Oddities(etag="weak")

    validator = look()

    assert validator == f"sha256:{hashlib.sha256(archive.path(ASN).read_bytes()).hexdigest()}"


def test_a_known_content_is_compared_by_content(look, archive):
    """Where the content is known, an ETag that now comes does not feign a change."""
    archive.oddities = Oddities(etag="none")
    known = look()
    archive.oddities = Oddities(etag="strong")

    assert look(known=known) == known


@pytest.mark.parametrize("code", [401, 404, 500])
def test_without_an_answer_the_known_validator_stays(code, look, archive):
    """Trouble is no change; the next poll looks again."""
    archive.fault(ASN, status(code))

    assert look(known='"v1"') == '"v1"'


@pytest.mark.parametrize(("attempts", "requests"), [(1, 1), (3, 3)])
def test_the_caller_says_how_often_to_try(attempts, requests, archive):
    """Without a word of it, the usual limits hold."""
    archive.fault(ASN, status(503, times=99))
    listing = Listing(program=1345, asked_at="", products=(product(ASN),))

    add_validators(listing, archive.url, {}, timeouts=replace(HASTY, attempts=attempts))
    asked = len(archive.requests)
    archive.clear_faults()
    usual = add_validators(listing, archive.url, {}).products[0].validator

    assert asked == requests
    assert usual


def test_products_with_checksum_are_not_asked_for(archive, look):
    """MAST's own checksum is enough."""
    assert look(checksum="a" * 32) is None

    assert archive.requests == []


def test_only_the_wanted_products_are_asked_for(archive):
    """Products that nobody selected cost no request."""
    listing = Listing(program=1345, asked_at="", products=(product(ASN),))

    observed = add_validators(listing, archive.url, {}, uris=[], timeouts=HASTY)

    assert observed == listing
    assert archive.requests == []


def test_exclusive_products_are_asked_for_with_a_token_only(archive, look):
    """Without a token an exclusive product is left alone; with one it is looked at."""
    archive.restrict(ASN)

    assert look(exclusive=True) is None
    assert archive.requests == []
    assert look(exclusive=True, token=TOKEN) is not None


@pytest.mark.parametrize("known", [None, '"etag"', f"sha256:{'0' * 64}"])
def test_a_page_of_maintenance_is_no_other_content(known, look, archive, caplog):
    """The known validator stays, and the message has the page's title."""
    archive.oddities = Oddities(maintenance=("downloads",))

    assert look(known) == known
    assert "MAST is in maintenance, and sent a web page (" in caplog.text
