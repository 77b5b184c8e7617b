"""The record of MAST's answers in a mirror, and how the answers of a later poll differ from it."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.files import as_store_error
from jwmirror.core.model import Poll, read, write
from jwmirror.net.resume_record import STRONG
from jwmirror.report.diagnosis import ArchiveAnswers
from jwmirror.services.inspect.doctor.sample import CONSTANT, RANDOM
from jwmirror.services.inspect.doctor.tables import Rows, rows_by_suffix

NOTABLE = 0.5  # change of the fraction of a suffix's files that have a row

log = logging.getLogger(__name__)


def _path(mirror: Path) -> Path:
    return mirror / "receipts" / "doctor.json"


def read_answers(mirror: Path) -> ArchiveAnswers:
    """Return the answers on record; without a readable record, answers that are all unknown."""
    try:
        return read(_path(mirror), ArchiveAnswers, "`jwmirror doctor` writes it again")
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


def changed_answers(answers: ArchiveAnswers, poll: Poll) -> Iterator[str]:
    """Yield a line for each answer of MAST in a poll that is another than on record. Pure."""
    yield from changed_etags(answers, poll.etag_kinds)
    since = f"at `jwmirror doctor` of {answers.checked_at[:10]}"
    for listing in poll.listings:
        former = answers.rows.get(str(listing.program), {})
        now = rows_by_suffix(listing, poll.doubts)
        for suffix in sorted(former.keys() & now.keys()):
            if abs(_fraction(now[suffix]) - _fraction(former[suffix])) >= NOTABLE:
                yield (
                    f"program {listing.program}: {now[suffix][0]} of {now[suffix][1]} {suffix} "
                    f"files have a row in MAST's keyword tables; {since} they were "
                    f"{former[suffix][0]} of {former[suffix][1]}; `jwmirror doctor` shows what "
                    "follows, and records it"
                )


def changed_etags(answers: ArchiveAnswers, kinds: Iterable[str]) -> Iterator[str]:
    """Yield a line for each kind of ETags that is another than on record. Pure.

    ETags that are strong and prove nothing are known by comparison only.
    """
    expected = STRONG if answers.etag in (RANDOM, CONSTANT) else answers.etag
    for kind in sorted(set(kinds) - {expected}) if expected else ():
        yield (
            f"MAST's ETags: expected {expected}, as at `jwmirror doctor` of "
            f"{answers.checked_at[:10]}, found {kind}; `jwmirror doctor` shows what follows, and "
            "records it"
        )


def _fraction(counts: tuple[int, int]) -> float:
    with_row, listed = counts
    return with_row / listed if listed else 0.0
