"""Checks of MAST's tables: which columns they have, and which files have a row with a checksum."""

from collections.abc import Collection, Iterator

from jwmirror.archive.evidence.record import Rows
from jwmirror.core import names
from jwmirror.core.model import Listing, Product
from jwmirror.net.resume_record import STRONG
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check
from jwmirror.report.formatting import count, size

AGAIN = (
    "run this command again later; until then, a run changes no file of this part in the "
    "mirror, and does the rest"
)
UNDECIDED = (
    "nothing to do: a change of them shows by size, CAL_VER or ETag, or when another file of the "
    "same exposure changes; to read some again in each run, set archive.recheck_gb_per_run"
)


def column_checks(listing: Listing) -> Iterator[Check]:
    """Check whether MAST's tables have the columns of the queries, in a form that is known."""
    subject = f"tables of {listing.program}"
    for doubt in listing.doubts:
        yield Check(subject, FAIL, str(doubt), AGAIN)
    for words in listing.remarks:
        yield Check(subject, WARN, words, "nothing to do; a run takes the rest of the tables")
    if not (listing.doubts or listing.remarks):
        yield Check(subject, OK, "all columns that are needed are given, and are understood")


def poll_check(
    traffic: tuple[int, int], selected: Collection[Product], etag: str, recheck: int
) -> Check:
    """Return what an unchanged poll costs, by the traffic of the queries that were just made.

    `etag` is the kind of MAST's ETags, "" if unknown, and `recheck` the bytes that the config
    allows to read again.
    """
    requests, received = traffic
    found = f"{count(requests, 'request')} and {size(received)} for the tables"
    alone = [product for product in selected if _is_alone(product)]
    if alone and etag in ("", STRONG):
        found += f"; one request for each of {count(len(alone), 'file')} without a row or siblings"
    if recheck:
        found += f"; at most {size(recheck)} of files that are read again"
    return Check("unchanged poll", OK, found)


def _is_alone(product: Product) -> bool:
    """Return whether only the server can show that a file is the same (archive/evidence)."""
    is_stamped = names.parse_association(product.filename) is not None
    return not (product.checksum or product.siblings or is_stamped)


def row_checks(program: int, rows: Rows) -> Iterator[Check]:
    """Check whether each FITS file of a program has a row, and so a checksum."""
    subject, total = f"rows of {program}", sum(listed for _, listed in rows.values())
    lacking = [(suffix, *counts) for suffix, counts in rows.items() if counts[0] < counts[1]]
    if lacking:
        numbers = ", ".join(f"{suffix}: {some:,} of {listed:,}" for suffix, some, listed in lacking)
        undecided = sum(listed - some for _, some, listed in lacking)
        found = (
            f"{numbers} have a checksum; a change of the other {count(undecided, 'FITS file')} "
            "may show no sign (undecided)"
        )
        yield Check(subject, WARN, found, UNDECIDED)
    elif total:
        yield Check(subject, OK, f"{count(total, 'FITS file')}, each with a checksum")
