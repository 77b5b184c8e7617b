"""Checks of the room on the disk of a mirror."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from jwmirror.core.model import Product
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check
from jwmirror.report.formatting import count, size
from jwmirror.store.disk_space import free_space

FEW_FILES = 10_000  # that may still be made; a first run of a program may need more
MAKE_ROOM = "free space, select less, or lower archive.keep_free_gb in the config"


def disk_checks(mirror: Path, keep_free: int, missing: Sequence[Product] | None) -> Iterator[Check]:
    """Check free bytes and files; `missing` is what a run would fetch, None if not known."""
    free, limit = free_space(mirror)
    wanted = sum(product.size or 0 for product in missing or ())
    found = f"{size(free)} {limit}; {size(keep_free)} are to stay free"
    if missing is not None:
        found += f"; a run would fetch {size(wanted)} in {count(len(missing), 'file')}"
    if wanted + keep_free > free:
        yield Check("disk", FAIL, found, f"a run would not start to download: {MAKE_ROOM}")
    else:
        yield Check("disk", OK, found)
    yield from _file_checks(mirror, len(missing or ()))


def _file_checks(mirror: Path, wanted: int) -> Iterator[Check]:
    status = os.statvfs(mirror)
    is_counted = status.f_files > 0  # btrfs, for one, has no limit
    if is_counted and status.f_favail < max(FEW_FILES, wanted):
        found = f"{count(status.f_favail, 'more file')} can be made on this file system"
        yield Check("inodes", WARN, found, "remove files, or ask for more inodes")
