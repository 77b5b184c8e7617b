"""What is ordered: what a poll wants and what never arrived."""

import re
from pathlib import Path

import pytest

from jwmirror.archive.poll import group_into_orders
from jwmirror.archive.tables.joining import assemble_listing
from jwmirror.archive.tables.rows import CaomProduct
from jwmirror.core.model import Change, Listing, Poll, Product, Version
from jwmirror.core.model.product import NEW, VANISHED
from tests.setup.records import product

ROOT = Path(__file__).parents[2]
A, B = (product(name, b"bytes") for name in ("a.fits", "b.fits"))
C = product("c.fits", b"bytes", observation="o002")


def poll(*products: Product, kind: str = NEW, asked_at: str = "2026-01-01T00:00:00") -> Poll:
    """A poll that found these products changed."""
    listing = Listing(program=1345, asked_at=asked_at, products=products)
    changes = tuple(Change(kind=kind, product=each) for each in products)
    return Poll(listings=(listing,), changes=changes)


def test_an_order_per_observation():
    """Products of one observation are fetched by one job, in the order of their URIs."""
    found = group_into_orders(poll(C, B, A), ()).products

    assert [name.partition(".")[0] for name in found] == ["jw01345-o001", "jw01345-o002"]
    assert list(found.values()) == [(A, B), (C,)]


@pytest.mark.parametrize("name", ["jw01345_20230831T181155_pool.csv", "jw01345_{x}.fits"])
def test_a_name_without_observation_fits_into_the_wildcard_of_orders(name):
    """Nothing of a file name gets into the name of an order."""
    file = CaomProduct(f"mast:JWST/product/{name}", name, "1", 10, 3, None, is_withheld=False)
    listing = assemble_listing(1345, "", [], [file], [])

    (order,) = group_into_orders(poll(*listing.products), ()).products

    (rule,) = re.findall(r'order=r"(.*)"', (ROOT / "rules" / "common.smk").read_text())
    assert re.fullmatch(rule, order)
    assert listing.products[0].observation in ("pool", "other")


def test_what_arrived_in_a_run_that_was_killed_is_not_ordered_again():
    """A version that a former run took in and never published is not fetched twice."""
    arrived = Version(product=A, sha256="1" * 64, size=1)

    found = group_into_orders(poll(A, B), [arrived]).products

    assert list(found.values()) == [(B,)]


def test_receipts_are_not_read_when_nothing_is_wanted():
    """An unchanged archive, and one where something vanished, cost no look at old receipts."""

    def unread():
        raise AssertionError("the receipts were read")
        yield

    assert group_into_orders(poll(), unread()).products == {}
    assert group_into_orders(poll(A, kind=VANISHED), unread()).products == {}


def test_what_failed_is_ordered_afresh_by_the_next_run():
    """Two polls never share an order's name, so that a failed fetch does not look done."""
    first = group_into_orders(poll(A), ())
    second = group_into_orders(poll(A, asked_at="2026-01-02T00:00:00"), ())

    assert not set(first.products) & set(second.products)
