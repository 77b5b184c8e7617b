"""Files that MAST no longer describes: what the mirror knows of them still counts."""

import pytest
from msgspec import structs

from jwmirror.archive.evidence.signs import undecided_files, with_known_keywords
from jwmirror.archive.index import HeldIndex
from jwmirror.core.model import Product
from tests.setup.records import RATE, entry, listing, product

DAY, FUTURE = "2026-01-01T00:00:00.000", "2999-01-01T00:00:00.000"
CLOSED = product(RATE, date=DAY, date_obs=DAY, filter="F200W", exclusive=True, release_date=FUTURE)
WITHOUT_ROW = product(RATE)  # which CAOM calls public


def listed(held: Product, now: Product) -> Product:
    """Return a product as it counts, where the mirror has another version."""
    (known,) = with_known_keywords(listing(now), HeldIndex([entry(held)], held.program)).products
    return known


def test_a_file_whose_rows_are_gone_keeps_its_keywords():
    """So it stays selected."""
    assert listed(CLOSED, WITHOUT_ROW).filter == "F200W"


@pytest.mark.parametrize(
    ("held", "now", "is_closed"),
    [
        ({}, {}, True),
        ({"release_date": DAY}, {}, False),
        ({"exclusive": False}, {}, False),
        ({"date": None}, {}, True),
        ({"date": None, "release_date": None}, {}, False),
        ({}, {"date": DAY}, False),
    ],
    ids=[
        "its row is gone",
        "released",
        "public before",
        "the row of its exposure is gone",
        "never had a row",
        "has a row",
    ],
)
def test_a_closed_file_whose_row_is_gone_is_closed_until_its_release(held, now, is_closed):
    """CAOM alone does not open what a row has closed."""
    held, now = structs.replace(CLOSED, **held), structs.replace(WITHOUT_ROW, **now)

    assert listed(held, now).exclusive == is_closed


def test_a_file_that_a_doubt_covers_stays_undecided():
    """Since the same time; a doubted file that was decided stays decided."""
    former = {CLOSED.uri: DAY}

    undecided = undecided_files([], (), former, FUTURE, [CLOSED.uri, "mast:JWST/product/other"])

    assert undecided == former
