"""What MAST lists and what is held of it, made by hand, and the changes between the two."""

from jwmirror.archive.changes import compare_listing
from jwmirror.archive.index import HeldIndex
from jwmirror.core.model import HELD, UPSTREAM, Change, Entry, Listing, Product
from tests.setup import records

MD5 = {1: "a1" * 16, 2: "b2" * 16}
JANUARY, APRIL = "20260101t000000", "20260401t000000"  # stamps of associations and pools


def product(filename: str = records.RATE, **facts: object) -> Product:
    """A product of level 2."""
    return records.product(filename, **{"level": 2, **facts})


def listing(*products: Product) -> Listing:
    """A listing of some products."""
    ordered = tuple(sorted(products, key=lambda each: each.uri))
    return Listing(program=1345, asked_at="2026-04-05T00:00:00", products=ordered)


def entry(product: Product, state: str = HELD, sha256: str = "0" * 64) -> Entry:
    """A row of the manifest that holds a product."""
    return Entry(
        path=f"upstream/jw01345/{product.observation}/{product.filename}",
        origin=UPSTREAM,
        sha256=sha256,
        size=1,
        state=state,
        product=product,
    )


def changes_of(listed: Listing, *held: Entry, has_access: bool = False) -> tuple[Change, ...]:
    """The changes where all that is listed is selected."""
    uris = [each.uri for each in listed.products]
    return compare_listing(listed, uris, HeldIndex(held, listed.program), has_access)
