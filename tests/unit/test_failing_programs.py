"""Two programs, one with something odd at MAST: the other is polled as ever."""

import pytest

from jwmirror.archive.poll import poll
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Doubt, Poll, Scope, Selection
from jwmirror.services.run.query import _used_events
from jwmirror_simulator.mast import listing_faults
from jwmirror_simulator.mast.toy_files import toy_fits

OTHER = "jw02221001001_02101_00001_nrcb1_rate.fits"
SELECTIONS = [Selection(program=1345), Selection(program=2221)]
PRODUCTS = "Mast.Caom.Products"


@pytest.fixture
def ask(archive, process, tmp_path):
    """Poll both programs for the first time."""
    archive.publish(toy_fits(tmp_path, OTHER, program="02221"))

    def ask(selections: list[Selection] = SELECTIONS) -> Poll:
        return process.submit(poll, archive.url, selections, [], None, 2).result(timeout=60)

    return ask


def test_an_odd_cell_of_one_program_affects_neither(ask, archive):
    """A size that is N/A: the file is listed without it, and the other program is listed."""
    archive.fault(PRODUCTS, listing_faults.cells("size", "N/A", only=OTHER))

    polled = ask()

    assert not polled.doubts
    assert [listing.program for listing in polled.listings] == [1345, 2221]
    assert polled.listings[1].products[0].size == archive.holding(OTHER).size  # of its keyword row


def test_a_program_that_cannot_be_listed_is_a_doubt_and_the_other_is_polled(ask, archive):
    """The error of the run will name it."""
    archive.fault(PRODUCTS, listing_faults.cells("dataURI", None, only=OTHER))

    polled = ask()

    assert [listing.program for listing in polled.listings] == [1345]
    (doubt,) = polled.doubts
    assert (doubt.scope, "expected rows with file names and URIs" in doubt.why) == (
        "program 2221",
        True,
    )
    assert {change.product.program for change in polled.changes} == {1345}


def test_without_any_program_the_poll_fails(ask, archive):
    """Nothing of it can be used."""
    archive.fault(PRODUCTS, listing_faults.cells("dataURI", None, only=OTHER))

    with pytest.raises(ArchiveError, match="program 2221"):
        ask(SELECTIONS[1:])


def test_events_of_a_program_that_was_not_listed_are_kept(tmp_path):
    """The next poll needs them; those of others are used up."""
    kept, used = tmp_path / "kept.json", tmp_path / "used.json"
    events = {
        kept: (Scope(program=1345), Scope(program=2221)),
        used: (Scope(program=1345),),
    }
    failed = Doubt(program=2221, why="?")

    assert _used_events(events, Poll(listings=(), changes=(), doubts=(failed,))) == [used]
