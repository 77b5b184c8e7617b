"""What MAST lists and what is held of it, made by hand, and the changes between the two."""

from jwmirror.archive.changes import compare_listing
from jwmirror.archive.index import HeldIndex
from jwmirror.archive.listing import query_listing
from jwmirror.archive.tables.queries import Queries
from jwmirror.core.model import Change, Entry, Listing
from jwmirror.net.http import Timeouts

MD5 = {1: "a1" * 16, 2: "b2" * 16}
HASTY = Timeouts(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)
JANUARY, APRIL = "20260101t000000", "20260401t000000"  # stamps of associations and pools


def changes_of(listed: Listing, *held: Entry, has_access: bool = False) -> tuple[Change, ...]:
    """The changes where all that is listed is selected."""
    uris = [each.uri for each in listed.products]
    return compare_listing(listed, uris, HeldIndex(held, listed.program), has_access)


def ask_mast(
    url: str,
    program: int = 1345,
    token: str | None = None,
    timeout_s: float = 60,
    may_be_empty: bool = False,
    timeouts: Timeouts = HASTY,
) -> Listing:
    """Query a program's listing."""
    with Queries(url, token, timeout_s, timeouts) as queries:
        return query_listing(queries, program, may_be_empty)
