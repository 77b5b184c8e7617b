"""How the contents of files differ that MAST reprocessed: found when they arrive, and kept.

The records have numbers that were measured on the files, so they are kept with the measurements.
"""

import logging
from contextlib import suppress
from pathlib import Path

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.jsonio import read, receipt_path, write
from jwmirror.core.model.history.causes import ContentChange
from jwmirror.pipeline.identity import scheme_text
from jwmirror.store.objects import Objects

# of `content_change`: 1 more if the records of earlier versions must not be used any more. Those of
# catalogues in which only labels or order differ say "values changed", now "header only".
SCHEME = 1

log = logging.getLogger(__name__)


def keep_change(mirror: Path, old_sha256: str, new: Path, new_sha256: str, filename: str) -> None:
    """Compare a file that arrived with the version that the mirror has, and keep the answer.

    Each version is read once. What cannot be compared has no record.
    """
    old = Objects(mirror).path(old_sha256)
    path = _path(mirror, old_sha256, new_sha256)
    if old_sha256 == new_sha256 or path.exists() or not old.is_file():
        return
    from jwmirror.compare.reprocessing import content_change  # imports numpy

    try:
        write(path, content_change(old, new, filename))
    except (StoreError, OSError) as err:
        log.warning("%s: it was not compared with its former version: %s", filename, err)


def kept_change(mirror: Path, old_sha256: str, new_sha256: str) -> ContentChange | None:
    """Return how two versions differ; None if that is unknown, or closed to this user."""
    with suppress(FileNotFoundError, ClosedError, StoreError):
        return read(_path(mirror, old_sha256, new_sha256), ContentChange)
    return None


def _path(mirror: Path, old_sha256: str, new_sha256: str) -> Path:
    name = f"{old_sha256}-{new_sha256}"
    return receipt_path(Path(mirror), "measurements", name, scheme_text(SCHEME))
