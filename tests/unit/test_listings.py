"""Listings: all of what MAST says, through unmodified astroquery, or an error that names why."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Listing
from jwmirror_simulator.mast import TOKEN, Archive, Oddities
from jwmirror_simulator.mast.faults import Fault, html_page, redirect_to, status
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.setup.listings import ask_mast
from tests.setup.records import ASN, RATE


@pytest.fixture
def ask(archive: Archive, process: ProcessPoolExecutor) -> Callable[..., Listing]:
    """Ask the archive for a program's listing."""

    def ask(program: int = 1345, token: str | None = None, timeout_s: float = 60) -> Listing:
        job = process.submit(ask_mast, archive.url, program, token, timeout_s)
        return job.result(timeout=120)

    return ask


def named(listing: Listing, filename: str):
    """The product of that file name."""
    (product,) = [each for each in listing.products if each.filename == filename]
    return product


def edited(edit: Callable[[dict], None], times: int | None = None) -> Fault:
    """Change the JSON of an answer."""

    def spoil(response):
        answer = json.loads(response.content())
        edit(answer)
        return response.but(body=json.dumps(answer).encode())

    return Fault("edited", spoil, times)


def test_every_file_is_listed_once_and_in_order(ask, archive):
    """A listing has one product per file on offer, sorted by URI."""
    listing = ask()

    uris = [each.uri for each in listing.products]
    assert uris == sorted(f"mast:JWST/product/{name}" for name in archive.filenames())


def test_a_fits_file_is_listed_with_its_pedigree(ask, archive):
    """Checksum, size, pedigree and keywords come from MAST's keyword table."""
    rate = named(ask(), RATE)

    held = archive.holding(RATE)
    assert (rate.checksum, rate.size) == (held.md5, held.size)
    assert (rate.cal_ver, rate.crds_ctx, rate.sdp_ver) == ("1.20.2", "jwst_1464.pmap", "2025_4a")
    assert rate.date == "2026-01-01T06:00:00.000"
    assert (rate.observation, rate.suffix, rate.level) == ("o001", "rate", 2)
    assert (rate.instrument, rate.detector, rate.filter) == ("NIRCAM", "NRCB1", "F200W")
    assert (rate.exp_type, rate.subarray, rate.pupil) == ("NRC_IMAGE", "SUB160", "CLEAR")
    assert (rate.exclusive, rate.stale) == (False, False)


def test_an_association_is_listed_without_checksum(ask):
    """MAST's keyword tables know FITS only; what CAOM says of the rest is kept."""
    association = named(ask(), ASN)

    assert (association.suffix, association.observation) == ("asn", "o001")
    assert (association.checksum, association.detector) == (None, None)


def test_two_polls_of_an_unchanged_archive_are_equal(ask):
    """Equal facts give equal records."""
    assert ask().products == ask().products


def test_a_new_version_of_equal_size_shows_in_the_checksum(ask, archive, tmp_path):
    """New bytes under the same name and size are seen without downloading."""
    before = named(ask(), RATE)
    archive.reprocess(RATE, toy_fits(tmp_path, RATE, seed=99), crds_ctx="jwst_1470.pmap")

    after = named(ask(), RATE)

    assert before.size == after.size
    assert before.checksum != after.checksum
    assert after.crds_ctx == "jwst_1470.pmap"
    assert archive.downloads() == []


def test_guide_stars_are_listed_from_their_own_table(ask, archive, tmp_path):
    """A guide-star exposure has checksum and type, from a table that spells things differently."""
    name = "jw01345001001_gs-fg_2025324001000_uncal.fits"
    keywords = {"instrume": "FGS", "detector": "GUIDER1", "exp_type": "FGS_FINEGUIDE"}
    archive.publish(toy_fits(tmp_path, name, **keywords))

    guider = named(ask(), name)

    assert (guider.instrument, guider.exp_type) == ("FGS", "FGS_FINEGUIDE")
    assert guider.checksum == archive.holding(name).md5
    assert guider.release_date == "2026-01-03T00:00:00.000"


def test_exclusive_files_are_marked_with_their_release(ask, archive):
    """What MAST withholds is listed as exclusive, with the date of its release."""
    archive.restrict(RATE, until="2099-01-01T00:00:00.000")

    rate = named(ask(), RATE)

    assert (rate.exclusive, rate.release_date) == (True, "2099-01-01T00:00:00.000")


def test_answers_in_many_pages_are_put_together(ask, archive):
    """Small pages give the same listing."""
    whole = ask().products
    archive.oddities = Oddities(page_limit=3)

    assert ask().products == whole


def test_an_answer_that_ends_at_a_page_is_not_believed(ask, archive):
    """Two of three observations, counted as two: MAST's own count says that one is missing."""
    archive.oddities = Oddities(page_limit=2, cut_at_page=True)

    with pytest.raises(ArchiveError, match=r"observations.*may have been cut off"):
        ask()


def test_a_server_that_takes_its_time_is_polled(ask, archive):
    """EXECUTING is asked again until it is COMPLETE."""
    whole = ask().products
    archive.oddities = Oddities(polls=2)

    assert ask().products == whole


def test_a_server_that_never_answers_is_given_up(ask, archive):
    """EXECUTING for ever ends when the time for this query is over, after few requests."""
    archive.oddities = Oddities(polls=10**9)

    with pytest.raises(ArchiveError, match="time for this query is over"):
        ask(timeout_s=1.5)

    assert len(archive.requests) < 12


def test_a_program_that_mast_does_not_know_is_an_error(ask):
    """A wrong program number is told, not taken for an empty program."""
    with pytest.raises(ArchiveError, match="no JWST program 9999"):
        ask(program=9999)


def test_every_question_names_us(ask, archive):
    """The User-Agent names jwmirror beside astroquery."""
    ask()

    agents = {request.headers["user-agent"] for request in archive.requests}
    assert all(agent.startswith("jwmirror/") and "astroquery" in agent for agent in agents)


TROUBLE = {
    "error status": status(500),
    "web page": html_page(),
    "ERROR": edited(lambda answer: answer.update(status="ERROR", msg="too busy")),
    "rows missing": edited(lambda answer: answer["data"].pop()),
    "no data": edited(lambda answer: answer.pop("data")),
    "redirect to nowhere": redirect_to("http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_an_answer_that_cannot_be_believed_is_an_error(case, ask, archive):
    """No part of a wrong or partial answer is taken for the listing."""
    archive.fault("Mast.Caom.Products", TROUBLE[case])

    with pytest.raises(ArchiveError, match=r"MAST query for .*(run again|the next run)"):
        ask()


def doubt_of_nircam(listing: Listing) -> str:
    """Why the whole instrument is doubted; no other part is."""
    (doubt,) = listing.doubts
    assert (doubt.program, doubt.instrument) == (1345, "NIRCAM")
    assert not doubt.observation and not doubt.filename
    return doubt.why


@pytest.mark.parametrize("case", TROUBLE)
def test_a_keyword_table_that_cannot_be_believed_is_a_doubt_of_its_instrument(case, ask, archive):
    """The products of the other instruments are listed as ever."""
    archive.fault("Mast.Jwst.Filtered.Nircam", TROUBLE[case])

    why = doubt_of_nircam(ask())

    assert re.search(r"MAST query.*(run again|next run)", why)


def test_a_page_that_repeats_is_a_doubt(ask, archive):
    """A second page that is the first again is not taken for new rows."""
    archive.oddities = Oddities(page_limit=4)
    pages = []

    def spoil(response):
        pages.append(response.content())
        return response.but(body=pages[0])

    archive.fault("Mast.Jwst.Filtered.Nircam", Fault("repeat", spoil, times=2))

    assert "expected" in doubt_of_nircam(ask())


def renamed(old: str, new: str | None) -> Fault:
    """Rename a column, or leave it out."""

    def edit(answer: dict) -> None:
        for row in answer["data"]:
            value = row.pop(old)
            if new:
                row[new] = value

    return edited(edit)


@pytest.mark.parametrize("new", ["md5sum", None])
def test_files_of_a_table_without_checksums_are_listed(new, ask, archive):
    """A renamed or missing column affects nothing else."""
    archive.fault("Mast.Jwst.Filtered.Nircam", renamed("checksum", new))

    listing = ask()

    assert not listing.doubts and len(listing.products) == len(archive.filenames())
    rate = named(listing, RATE)
    assert (rate.checksum, rate.size) == (None, archive.holding(RATE).size)


def test_files_of_a_table_without_rows_are_listed(ask, archive):
    """What CAOM lists is there, with what it says of it."""

    def emptied(answer: dict) -> None:
        answer["data"] = []
        answer["paging"].update(rows=0, rowsFiltered=0)

    archive.fault("Mast.Jwst.Filtered.Nircam", edited(emptied))

    listing = ask()

    assert not listing.doubts and len(listing.products) == len(archive.filenames())
    assert not any(product.checksum for product in listing.products)


def test_the_token_logs_in_and_is_shown_nowhere_else(ask, archive, tmp_path):
    """With a token every question carries it; a redirect to another server does not."""
    with Archive(tmp_path / "elsewhere") as elsewhere:
        archive.fault("Mast.Jwst.Filtered.Nircam", redirect_to(f"{elsewhere.url}/x"))
        assert doubt_of_nircam(ask(token=TOKEN))

        assert all(each.with_token for each in archive.requests)
        assert elsewhere.requests
        assert not any(each.with_token for each in elsewhere.requests)


def logged_query(url: str) -> str:
    """What astroquery logs during a query with the token, at its most talkative."""
    import astroquery

    level = astroquery.log.level
    astroquery.log.setLevel("DEBUG")
    with astroquery.log.log_to_list() as records:
        ask_mast(url, 1345, TOKEN)
    astroquery.log.setLevel(level)
    return "\n".join(record.getMessage() for record in records)


def test_astroquery_does_not_log_the_token(archive, process):
    """At level DEBUG, which users can set, it logs the headers of each request."""
    logged = process.submit(logged_query, archive.url).result(timeout=120)

    assert TOKEN not in logged


def test_a_token_does_not_outlive_its_question(ask, archive):
    """A later question without token shows none."""
    ask(token=TOKEN)
    asked = len(archive.requests)

    ask()

    assert not any(each.with_token for each in archive.requests[asked:])


def test_another_server_needs_another_process(ask, process):
    """astroquery keeps to the first server; asking another one is refused, not misdirected."""
    ask()

    with pytest.raises(ArchiveError, match="another process"):
        process.submit(ask_mast, "http://127.0.0.1:9").result()


def test_a_server_that_is_not_there_is_told_in_a_few_words(process, port):
    """Which server, and what is wrong with it; not the names of urllib3's objects."""
    with pytest.raises(ArchiveError) as caught:
        process.submit(ask_mast, f"http://127.0.0.1:{port}", 1345, None, 9).result()

    assert f"127.0.0.1:{port}: Failed to establish a new connection" in str(caught.value)
    assert "HTTPConnection" not in str(caught.value)
