"""Questions to the server about files without a checksum: which are asked, and what is proof."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.archive.evidence.server import MOST_ALONE, FileAnswers, FileServer, Recheck, ask_about
from jwmirror.archive.evidence.signs import UNPROVEN, files_without_checksum
from jwmirror.archive.index import HeldIndex
from jwmirror.core.model import Entry, Product
from jwmirror.net.http import Timeouts
from jwmirror_simulator.mast import TOKEN, Archive, Oddities
from jwmirror_simulator.mast.faults import endless, status
from tests.setup.records import RATE, entry, listing, product

HASTY = Timeouts(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)
CAL = RATE.replace("_rate", "_cal")
OLD, NEW = "2026-01-01|jwst_1464.pmap|1.20.2", "2026-04-01|jwst_1470.pmap|1.21.0"


@pytest.fixture
def rate(archive: Archive) -> Entry:
    """The row of a rate file that arrived with its ETag, when its sibling was the old one."""
    content = archive.path(RATE).read_bytes()
    etag = f'"{archive.holding(RATE).md5}"'
    held = structs.replace(product(RATE, content), validator=etag, siblings=OLD)
    return entry(held, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


@pytest.fixture
def ask(archive: Archive) -> Callable[..., FileAnswers]:
    """Ask about held files as they are listed now; other products may be listed beside them."""

    def ask(
        held: tuple[Entry, ...],
        *listed: Product,
        token: str | None = None,
        timeouts: Timeouts = HASTY,
        recheck: Recheck | None = None,
    ) -> FileAnswers:
        answer, index = listing(*listed), HeldIndex(held, 1345)
        files = files_without_checksum(answer, {each.uri for each in listed}, index)
        server = FileServer(
            url=archive.url, token=token, timeouts=timeouts, recheck=recheck or Recheck()
        )
        return ask_about(files, answer, index, server)

    return ask


def without_row(held: Entry, **facts: object) -> Product:
    """The product of a held file as it is listed without a row."""
    return structs.replace(held.upstream, **{"checksum": None, "validator": None} | facts)


def change(path: Path) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_file_whose_siblings_are_the_same_is_not_asked_about(archive, ask, rate):
    """Not even its ETag."""
    assert ask((rate,), without_row(rate)) == FileAnswers()

    assert archive.requests == []


def test_siblings_without_rows_any_more_are_no_sign(archive, ask, rate):
    """Only a row with another DATE, CRDS_CTX or CAL_VER is."""
    structs.replace(rate.upstream, siblings=OLD)

    assert ask((rate,), without_row(rate, siblings=OLD.replace("2026-01-01", ""))) == FileAnswers()
    assert archive.requests == []


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_file_whose_sibling_changed_is_asked_about(is_changed, archive, ask, rate):
    """A strong ETag shows whether it changed, and no body is sent if it did not."""
    if is_changed:
        archive.reprocess(RATE, change)

    answers = ask((rate,), without_row(rate, siblings=NEW))

    assert (answers.validators[rate.upstream.uri] == rate.upstream.validator) != is_changed
    assert [request.status for request in archive.requests] == [200 if is_changed else 304]


@pytest.mark.parametrize("etag", ["weak", "none"])
def test_an_etag_that_is_not_strong_proves_nothing(etag, archive, ask, rate):
    """The file has to be fetched to be compared."""
    archive.oddities = Oddities(etag=etag)

    answers = ask((rate,), without_row(rate, siblings=NEW))

    assert answers == FileAnswers({rate.upstream.uri: UNPROVEN})


@pytest.mark.parametrize("baseline", [None, 'W/"1"', f"sha256:{'5' * 64}"])
def test_without_a_strong_etag_of_the_held_bytes_nobody_is_asked(baseline, archive, ask, rate):
    """There is nothing to compare the answer with."""
    old = replace(rate, product=structs.replace(rate.upstream, validator=baseline))

    answers = ask((old,), without_row(rate, siblings=NEW))

    assert answers == FileAnswers({rate.upstream.uri: UNPROVEN})
    assert archive.requests == []


def test_an_etag_that_others_share_proves_nothing(ask, rate):
    """It is the same for different bytes."""
    other = entry(
        structs.replace(product(CAL), checksum="1" * 32, validator=rate.upstream.validator)
    )

    answers = ask((rate, other), without_row(rate, siblings=NEW))

    assert answers == FileAnswers({rate.upstream.uri: UNPROVEN})


@pytest.mark.parametrize(("etag", "is_proof"), [("strong", True), ("constant", False)])
def test_etags_are_proof_if_that_of_a_changed_file_changed(etag, is_proof, archive, ask, rate):
    """The sibling whose checksum changed shows it."""
    archive.oddities = Oddities(etag=etag)
    tags = {}
    for name in (RATE, CAL):
        url = f"{archive.url}/api/v0.1/Download/file?uri=mast:JWST/product/{name}"
        tags |= FileServer(url=archive.url).etags({product(name): None})
        assert url
    held = [
        replace(rate, product=structs.replace(rate.upstream, validator=tags[rate.upstream.uri])),
        entry(product(CAL, checksum="1" * 32, validator=tags[product(CAL).uri])),
    ]
    archive.reprocess(CAL, change)

    answers = ask(tuple(held), without_row(held[0], siblings=NEW), product(CAL, checksum="2" * 32))

    assert (answers.validators[rate.upstream.uri] == UNPROVEN) != is_proof
    assert answers.proved == ({rate.upstream.uri} if is_proof else set())


def test_a_file_without_siblings_is_asked_about_at_each_poll(archive, ask, rate):
    """Its ETag is the only evidence; one that proves nothing is no reason to fetch it."""
    alone = replace(rate, product=structs.replace(rate.upstream, siblings=""))

    with_etag = ask((alone,), without_row(alone))
    archive.oddities = Oddities(etag="none")
    without = ask((alone,), without_row(alone))

    assert with_etag.validators == {rate.upstream.uri: rate.upstream.validator}
    assert without == FileAnswers()


def test_files_without_siblings_take_turns(ask, rate, monkeypatch):
    """Those that were not compared for the longest time come first."""
    monkeypatch.setattr("jwmirror.archive.evidence.server.MOST_ALONE", 1)
    held = tuple(
        entry(structs.replace(product(name), validator='"1"', siblings="")) for name in (RATE, CAL)
    )
    since = {held[0].upstream.uri: "2026-02-01", held[1].upstream.uri: "2026-01-01"}

    answers = ask(held, *map(without_row, held), recheck=Recheck(undecided=since))

    assert MOST_ALONE == 1000
    assert list(answers.validators) == [held[1].upstream.uri]


@pytest.mark.parametrize("facts", [{"size": 1}, {"listed_cal_ver": "2.0.0"}])
def test_a_file_that_other_evidence_shows_to_have_changed_is_asked_about(facts, ask, rate):
    """Its new ETag identifies the new version."""
    old = replace(rate, product=structs.replace(rate.upstream, listed_cal_ver="1.0.0"))

    assert ask((old,), without_row(old, **facts)).validators == {
        rate.upstream.uri: rate.upstream.validator
    }


@pytest.mark.parametrize("code", [401, 404, 500])
def test_without_an_answer_the_next_poll_asks_again(code, archive, ask, rate):
    """Trouble is neither a change nor a proof."""
    archive.fault(RATE, status(code))

    assert ask((rate,), without_row(rate, siblings=NEW)) == FileAnswers()


@pytest.mark.parametrize(("attempts", "requests"), [(1, 1), (3, 3)])
def test_the_caller_says_how_often_to_try(attempts, requests, archive, ask, rate):
    """Where the server may answer later."""
    archive.fault(RATE, status(503, times=99))

    ask((rate,), without_row(rate, siblings=NEW), timeouts=replace(HASTY, attempts=attempts))

    assert len(archive.requests) == requests


def test_exclusive_products_are_asked_about_with_a_token_only(archive, ask, rate):
    """Without a token an exclusive product is left alone."""
    archive.restrict(RATE)
    listed = without_row(rate, siblings=NEW, exclusive=True)

    assert ask((rate,), listed) == FileAnswers()
    assert archive.requests == []
    assert ask((rate,), listed, token=TOKEN).validators


def test_a_page_of_maintenance_is_no_answer(archive, ask, rate, caplog):
    """The message has its title."""
    archive.oddities = Oddities(maintenance=("downloads",))

    assert ask((rate,), without_row(rate, siblings=NEW)) == FileAnswers()
    assert "sent a page of maintenance (" in caplog.text
    assert ask((rate,), without_row(rate), recheck=Recheck(most_bytes=10**6)) == FileAnswers()


def test_associations_with_a_stamp_are_never_asked_about(archive, ask):
    """Another version has another stamp, so another name."""
    name = "jw01345-o001_20260101t000000_image3_00001_asn.json"
    held = entry(structs.replace(product(name), validator='"1"', siblings=""))

    assert ask((held,), without_row(held, siblings=NEW)) == FileAnswers()
    assert archive.requests == []


# ---- reading files again ---------------------------------------------------------------------


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_file_that_is_read_again_is_compared_by_its_bytes(is_changed, archive, ask, rate):
    """Though nothing shows that it changed."""
    if is_changed:
        archive.reprocess(RATE, change)

    answers = ask((rate,), without_row(rate), recheck=Recheck(most_bytes=10**6))

    assert (answers.validators[rate.upstream.uri] == f"sha256:{rate.sha256}") != is_changed
    assert answers.proved == (set() if is_changed else {rate.upstream.uri})


def test_a_body_without_an_end_is_not_read_beyond_the_listed_size(archive, ask, rate, caplog):
    """It decides nothing: the file stays undecided."""
    archive.fault(RATE, endless())

    assert ask((rate,), without_row(rate), recheck=Recheck(most_bytes=10**6)) == FileAnswers()
    assert f"more than the {rate.size} bytes that MAST lists came" in caplog.text


def test_no_more_is_read_again_than_the_limit_allows(archive, ask, rate):
    """A smaller file that fits is read in place of one that does not."""
    small = entry(structs.replace(product(CAL), siblings=OLD), size=10)
    recheck = Recheck(most_bytes=rate.size - 1, undecided={small.upstream.uri: "2026"})

    ask((rate, small), without_row(rate), without_row(small), recheck=recheck)

    assert [request.filename for request in archive.requests] == [CAL]


def test_the_files_that_were_not_compared_for_longest_are_read_first(archive, ask, rate):
    """One that was never compared before comes first."""
    other = entry(structs.replace(product(CAL), siblings=OLD), size=rate.size)
    recheck = Recheck(most_bytes=rate.size, undecided={other.upstream.uri: "2026"})

    ask((other, rate), without_row(other), without_row(rate), recheck=recheck)

    assert [request.filename for request in archive.requests] == [RATE]
