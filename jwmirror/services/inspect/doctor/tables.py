"""Checks of MAST's tables: which columns they have, and which files have a row with a checksum."""

from collections import defaultdict
from collections.abc import Iterator

from jwmirror.core.model import Listing
from jwmirror.report.diagnosis import OK, WARN, Check
from jwmirror.report.formatting import count

Rows = dict[str, tuple[int, int]]  # suffix -> FITS files with a checksum, and all
UNDECIDED = (
    "nothing to do: their changes show when a file of the same exposure changes, and by size, "
    "CAL_VER and ETag"
)


def rows_by_suffix(listing: Listing) -> Rows:
    """Return how many FITS files of each suffix have a row with a checksum, and how many exist."""
    with_row: dict[str, int] = defaultdict(int)
    listed: dict[str, int] = defaultdict(int)
    for product in listing.products:
        if product.filename.endswith(".fits"):
            listed[product.suffix] += 1
            with_row[product.suffix] += bool(product.checksum)
    return {suffix: (with_row[suffix], listed[suffix]) for suffix in sorted(listed)}


def row_checks(program: int, rows: Rows) -> Iterator[Check]:
    """Check whether each FITS file of a program has a row, and so a checksum."""
    total = sum(listed for _, listed in rows.values())
    lacking = {suffix: counts for suffix, counts in rows.items() if counts[0] < counts[1]}
    if not total:
        yield Check(f"program {program}", WARN, "MAST lists no FITS files of it", "look it up")
    if total and not lacking:
        found = f"all of {count(total, 'FITS file')} have a checksum"
        yield Check(f"program {program}", OK, found)
    for suffix, (with_row, listed) in lacking.items():
        found = (
            f"{suffix}: {with_row:,} of {listed:,} have a checksum: "
            f"{count(listed - with_row, 'file')} stay undecided between their siblings' changes"
        )
        yield Check(f"program {program}", WARN, found, UNDECIDED)
