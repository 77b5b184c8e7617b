"""Disk space: whether the ordered products will fit, checked before the first download."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Orders

GB = 1_000_000_000
QUOTA_S = 10.0  # the longest wait for the program `quota`


def check_room(mirror: Path, orders: Orders, keep_free: int) -> None:
    """StoreError unless the orders fit, with `keep_free` bytes left on the mirror's disk."""
    sizes = [product.size for products in orders.products.values() for product in products]
    wanted, unknown = sum(size or 0 for size in sizes), sizes.count(None)
    if not sizes:
        return
    free, where = free_space(mirror)
    if wanted + keep_free <= free:
        return
    others = f" and {unknown} files of unknown size" if unknown else ""
    raise StoreError(
        f"room for {mirror.absolute()}: {len(sizes)} files of {wanted / GB:.3f} GB{others} are "
        f"ordered, and {keep_free / GB:.3f} GB are to stay free (archive.keep_free_gb); {where} is "
        f"{free / GB:.3f} GB, {(wanted + keep_free - free) / GB:.3f} GB too little; nothing was "
        "downloaded; free space, select less, or lower keep_free_gb, and run again."
    )


def free_space(mirror: Path) -> tuple[int, str]:
    """Return how many bytes may still be written, and words for what limits them."""
    return min(_limits(mirror))


def _limits(mirror: Path) -> Iterable[tuple[int, str]]:
    """Yield how many bytes may still be written, and what limits them."""
    folder = mirror
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    yield status.f_bavail * status.f_frsize, f"free on the disk of {folder}"
    left = quota_left(folder)
    if left is not None:
        yield left, "left of your quota there"


def quota_left(folder: Path) -> int | None:
    """Return the bytes left of this user's quota on a folder's file system; None if unknown."""
    program = shutil.which("quota")
    if program is None:
        return None
    words = [program, "--no-wrap", "--raw-grace", "--filesystem", str(folder)]
    try:
        answer = subprocess.run(
            words, capture_output=True, text=True, timeout=QUOTA_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    rows = re.findall(r"^\s*\S+\s+(\d+)\*?\s+(\d+)\s+(\d+)\s", answer.stdout, re.MULTILINE)
    left = [
        (int(hard) or int(soft)) - int(used) for used, soft, hard in rows if int(hard) or int(soft)
    ]
    return max(0, min(left)) * 1024 if left else None
