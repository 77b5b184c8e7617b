"""Files that jobs on other machines wrote, and that a shared file system shows here later."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from jwmirror.core.model import Chain, Receipt
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance

LOOK_S = 0.5  # between two looks

log = logging.getLogger(__name__)


def await_results(mirror: Path, receipts: Sequence[Receipt], latency_s: float) -> None:
    """Wait until the objects and records that jobs of this run wrote are visible and whole here.

    After `latency_s` seconds, go on: whatever reads a file that is missing then, says so.
    """
    _await(lambda: _missing_results(mirror, receipts), latency_s)


def await_inputs(mirror: Path, chains: Sequence[Chain], latency_s: float) -> None:
    """Wait until the stored inputs of chains are visible here, as `await_results`."""
    items = [item for chain in chains for each in chain.derivations for item in each.inputs]
    stored = {item.sha256 for item in items if item.sha256 and not item.path}
    objects = Objects(mirror)
    _await(lambda: (objects.path(each) for each in stored if not objects.has(each)), latency_s)


def _await(missing_now: Callable[[], Iterable[Path]], latency_s: float) -> None:
    missing = list(missing_now())
    deadline = time.monotonic() + latency_s
    if missing:
        log.info("waiting up to %g s for %d files, such as %s", latency_s, len(missing), missing[0])
    while missing and time.monotonic() < deadline:
        time.sleep(min(LOOK_S, latency_s))
        _look_again({path.parent for path in missing})
        missing = list(missing_now())


def _missing_results(mirror: Path, receipts: Iterable[Receipt]) -> Iterator[Path]:
    objects, provenance = Objects(mirror), Provenance(mirror)
    for receipt in receipts:
        computed = set(receipt.computed)
        for result in receipt.results:
            if result.key not in computed:
                continue
            if not provenance.path(result.key).exists():
                yield provenance.path(result.key)
            for file in result.files:
                if not objects.has(file.sha256, file.size):
                    yield objects.path(file.sha256)


def _look_again(folders: Iterable[Path]) -> None:
    """List folders: NFS then asks its server about them, instead of its cache."""
    for folder in folders:
        with suppress(OSError):
            os.listdir(folder)
