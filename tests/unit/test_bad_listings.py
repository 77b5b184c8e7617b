"""Bad listings, each a named fault of the simulated archive: refused whole, or survived."""

from dataclasses import replace

import pytest

from jwmirror.archive.changes import compare_listing
from jwmirror.archive.index import HeldIndex
from jwmirror.core.errors import ArchiveError
from jwmirror_simulator.mast import Oddities
from jwmirror_simulator.mast import listing_faults as bad_listings
from jwmirror_simulator.mast.faults import Fault
from tests.setup.listings import HASTY, ask_mast
from tests.setup.records import entry

RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
OBSERVATIONS, PRODUCTS, KEYWORDS = (
    "Mast.Caom.Filtered",
    "Mast.Caom.Products",
    "Mast.Jwst.Filtered.Nircam",
)


@pytest.fixture
def ask(archive, process):
    """Ask the archive for the program's listing."""

    def ask(token: str | None = None, may_be_empty: bool = False):
        job = process.submit(ask_mast, archive.url, 1345, token, 3, may_be_empty=may_be_empty)
        return job.result(timeout=60)

    return ask


def changes(listing, before):
    """How a listing differs from a mirror that holds all of the one before."""
    held = [entry(each) for each in before.products]
    uris = [each.uri for each in listing.products]
    return compare_listing(listing, uris, HeldIndex(held, listing.program))


BROKEN: dict[str, Fault] = {
    "ERROR": bad_listings.portal_error(),
    "EXECUTING for ever": bad_listings.executing_for_ever(),
    "half a page": bad_listings.half_a_page(),
    "malformed JSON": bad_listings.malformed_json(),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("table", [OBSERVATIONS, PRODUCTS])
def test_a_broken_table_of_caom_is_refused_whole(table, case, ask, archive):
    """Nothing of an answer that cannot be believed is taken; the error says what to do."""
    archive.fault(table, BROKEN[case])

    with pytest.raises(ArchiveError, match=r"nothing was|run again|report this"):
        ask()


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_keyword_table_is_a_doubt_of_its_instrument(case, ask, archive):
    """Nothing of it is taken, and nothing else is affected."""
    archive.fault(KEYWORDS, BROKEN[case])

    (doubt,) = ask().doubts

    assert (doubt.scope, "run again" in doubt.why) == ("program 1345, NIRCAM", True)


def test_text_that_is_no_json_is_described_as_such(ask, archive):
    """Not by the words of Python's parser."""
    archive.fault(KEYWORDS, bad_listings.malformed_json())

    (doubt,) = ask().doubts

    assert "expected JSON, got text that is none, or that was cut" in doubt.why


SURVIVED: dict[str, tuple[str, Fault]] = {
    "checksums missing": (KEYWORDS, bad_listings.column_gone("checksum")),
    "checksums renamed": (KEYWORDS, bad_listings.column_gone("checksum", "md5sum")),
    "rights renamed": (PRODUCTS, bad_listings.column_gone("dataRights", "rights")),
    "checksum of another type": (KEYWORDS, bad_listings.cells("checksum", 12)),
    "size of another type": (KEYWORDS, bad_listings.cells("fileSize", "10 MB")),
    "level of another type": (PRODUCTS, bad_listings.cells("calib_level", "two")),
    "queue of another type": (KEYWORDS, bad_listings.cells("isStale", "perhaps")),
    "version of another type": (KEYWORDS, bad_listings.cells("cal_ver", ["1.20.2"])),
    "date of another type": (KEYWORDS, bad_listings.cells("date_mjd", "yesterday")),
}


@pytest.mark.parametrize("case", SURVIVED)
def test_an_odd_column_affects_itself_alone(case, ask, archive):
    """All files are listed, none of them doubted."""
    archive.fault(*SURVIVED[case])

    listing = ask()

    assert not listing.doubts
    assert [each.filename for each in listing.products] == sorted(archive.filenames())


def test_an_unknown_column_costs_two_refused_requests(archive, process):
    """Not all retries; then all columns are requested, and the others are known."""
    archive.oddities = Oddities(unknown_column="500", absent_columns=("sdp_ver",))
    patient = replace(HASTY, attempts=5)

    job = process.submit(ask_mast, archive.url, timeouts=patient)
    listing = job.result(timeout=60)

    checksums = {each.checksum for each in listing.products if each.suffix == "rate"}
    assert not listing.doubts and None not in checksums
    assert [r.status for r in archive.requests].count(500) == 2


def test_pages_that_repeat_are_a_doubt(ask, archive):
    """Rows of the first page in place of the others' do not pass for the whole table."""
    archive.oddities = Oddities(page_limit=4)
    archive.fault(KEYWORDS, bad_listings.repeated_page())

    (doubt,) = ask().doubts

    assert "expected" in doubt.why


NAMES = {
    "leaves its folder": f"../{RATE}",
    "absolute": f"/etc/{RATE}",
    "a newline": RATE.replace("_rate", "\n_rate"),
    "300 characters": RATE.replace("_rate", f"_{'x' * 260}_rate"),
    "hidden": f".{RATE}",
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_no_folder_can_take_is_left_out(case, ask, archive):
    """The one file is left out; the rest is listed as ever."""
    before = ask()
    archive.fault(PRODUCTS, bad_listings.named(RATE, NAMES[case]))

    listing = ask()

    left = [each for each in before.products if each.filename != RATE]
    assert list(listing.products) == left


def test_of_two_files_of_one_name_one_is_listed(ask, archive):
    """Two URIs under one name give one product, the same one at every poll."""
    archive.fault(PRODUCTS, bad_listings.twin(RATE))

    first, second = ask(), ask()

    assert first.products == second.products
    assert [each.filename for each in first.products].count(RATE) == 1


def test_a_checksum_that_is_null_is_no_change(ask, archive):
    """A file of which MAST forgets the checksum is not taken for another one."""
    before = ask()
    archive.fault(KEYWORDS, bad_listings.cells("checksum", None, only=RATE))

    listing = ask()

    assert changes(listing, before) == ()
    assert [each.checksum for each in listing.products if each.filename == RATE] == [None]


def test_a_listing_that_shrinks_to_nothing_is_an_error_unless_something_is_held(ask, archive):
    """For a new program it is a wrong number; for a held one it is left to the vanish limit."""
    archive.fault(OBSERVATIONS, bad_listings.no_rows())

    with pytest.raises(ArchiveError, match="knows no JWST program"):
        ask()

    assert ask(may_be_empty=True).products == ()
