"""What MAST lists and what is held of it, made by hand, and the changes between the two."""

from jwmirror.archive.changes import compare_listing
from jwmirror.archive.index import HeldIndex
from jwmirror.core.model import Change, Entry, Listing

MD5 = {1: "a1" * 16, 2: "b2" * 16}
JANUARY, APRIL = "20260101t000000", "20260401t000000"  # stamps of associations and pools


def changes_of(listed: Listing, *held: Entry, has_access: bool = False) -> tuple[Change, ...]:
    """The changes where all that is listed is selected."""
    uris = [each.uri for each in listed.products]
    return compare_listing(listed, uris, HeldIndex(held, listed.program), has_access)
