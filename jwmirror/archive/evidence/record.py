"""The record of what `jwmirror doctor` saw of MAST, and how a later poll differs from it."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import ClosedError, StoreError, as_typed
from jwmirror.core.files import as_store_error
from jwmirror.core.model import Doubt, Listing, Poll, read, write
from jwmirror.core.model.product import covered_by
from jwmirror.net.resume_record import STRONG

RANDOM, CONSTANT = "random", "constant"  # of strong ETags: kinds that prove nothing
NOTABLE = 0.5  # change of the fraction of a suffix's files that have a row

Rows = dict[str, tuple[int, int]]  # suffix -> FITS files with a checksum, and all

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ArchiveAnswers:
    """Answers of MAST that a later poll sees again without asking more; unknown where empty.

    They have no names of files, because a mirror keeps them in a file that all users may read.
    """

    checked_at: str = ""  # ISO, UTC
    etag: str = ""  # strong, weak, none, random or constant
    rows: dict[str, Rows] = field(default_factory=dict)  # by program


def _path(mirror: Path) -> Path:
    return mirror / "receipts" / "doctor.json"


def read_answers(mirror: Path) -> ArchiveAnswers:
    """Return the answers on record; without a readable record, answers that are all unknown."""
    try:
        return read(_path(mirror), ArchiveAnswers, f"{as_typed('doctor')} writes it again")
    except (FileNotFoundError, ClosedError):
        return ArchiveAnswers()
    except StoreError as err:
        log.warning("%s", err)
        return ArchiveAnswers()


def write_answers(mirror: Path, etag: str, rows: dict[str, Rows]) -> ArchiveAnswers:
    """Write what MAST answered; what it did not answer now stays as it is on record.

    Raises:
        StoreError: the disk refused.
    """
    former = read_answers(mirror)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    answers = replace(former, checked_at=now, etag=etag or former.etag, rows=former.rows | rows)
    with as_store_error(f"record {_path(mirror)}", "the former one stays"):
        write(_path(mirror), answers)
    return answers


def rows_by_suffix(listing: Listing, doubts: Collection[Doubt] = ()) -> Rows:
    """Return how many FITS files of each suffix have a row with a checksum, and how many exist.

    Files that a doubt covers do not count: nothing is known of their rows.
    """
    with_row: dict[str, int] = defaultdict(int)
    listed: dict[str, int] = defaultdict(int)
    is_doubted = covered_by(doubts)
    for product in listing.products:
        if product.filename.endswith(".fits") and not is_doubted(product):
            listed[product.suffix] += 1
            with_row[product.suffix] += bool(product.checksum)
    return {suffix: (with_row[suffix], listed[suffix]) for suffix in sorted(listed)}


def changed_answers(answers: ArchiveAnswers, poll: Poll) -> Iterator[str]:
    """Yield a line for each answer of MAST in a poll that is another than on record. Pure."""
    yield from changed_etags(answers, poll.etag_kinds)
    since = f"at {as_typed('doctor')} of {answers.checked_at[:10]}"
    for listing in poll.listings:
        former = answers.rows.get(str(listing.program), {})
        now = rows_by_suffix(listing, poll.doubts)
        for suffix in sorted(former.keys() & now.keys()):
            if abs(_fraction(now[suffix]) - _fraction(former[suffix])) >= NOTABLE:
                yield (
                    f"program {listing.program}: {now[suffix][0]} of {now[suffix][1]} {suffix} "
                    f"files have a row in MAST's keyword tables; {since} they were "
                    f"{former[suffix][0]} of {former[suffix][1]}; {as_typed('doctor')} shows what "
                    "follows, and records it"
                )


def changed_etags(answers: ArchiveAnswers, kinds: Iterable[str]) -> Iterator[str]:
    """Yield a line for each kind of ETags that is another than on record. Pure.

    ETags that are strong and prove nothing are known by comparison only.
    """
    expected = STRONG if answers.etag in (RANDOM, CONSTANT) else answers.etag
    for kind in sorted(set(kinds) - {expected}) if expected else ():
        yield (
            f"MAST's ETags: expected {expected}, as at {as_typed('doctor')} of "
            f"{answers.checked_at[:10]}, found {kind}; {as_typed('doctor')} shows what follows, "
            "and records it"
        )


def _fraction(counts: tuple[int, int]) -> float:
    with_row, listed = counts
    return with_row / listed if listed else 0.0
