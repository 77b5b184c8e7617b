"""Quantities of stored files that no stage measured: MAST's products, and old results."""

from collections.abc import Iterable
from pathlib import Path

from jwmirror.core.jsonio import receipt_path, remembered
from jwmirror.core.model import Entry, Receipt
from jwmirror.pipeline.identity import scheme_text
from jwmirror.store.objects import Objects


def stored_quantities(mirror: Path, sha256: str, filename: str) -> dict[str, float]:
    """Return the quantities of an object under a file's name; they are measured once and kept."""
    from jwmirror.pipeline.measure.files import METHOD, file_quantities  # imports numpy

    return remembered(
        receipt_path(Path(mirror), "measurements", sha256, scheme_text(METHOD)),
        dict[str, float],
        lambda: file_quantities(Objects(mirror).path(sha256), filename),
        is_lasting=bool,  # a file that cannot be read has no quantities
    )


def measure_archived(mirror: Path, receipt: Receipt, upstream: Iterable[Entry]) -> None:
    """Measure MAST's files of the same names as those that a job has computed."""
    computed = (result for result in receipt.results if result.key in receipt.computed)
    names = {file.filename for result in computed for file in result.files}
    for entry in upstream if names else ():
        if entry.filename in names:
            stored_quantities(mirror, entry.sha256, entry.filename)
