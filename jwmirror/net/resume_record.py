"""Records that make an unfinished download resumable: version, ETag and size of the whole file.

An unfinished file saves time and is never trusted: it is kept only for a version with a checksum
of MAST's, its bytes are hashed again, and the whole file must have that checksum.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Product, read

PART_SUFFIX, RECORD_SUFFIX = ".part", ".kept"
STRONG, WEAK, NONE = "strong", "weak", "none"  # kinds of ETags
KEY_DIGITS = 32  # hex digits in the name of an unfinished file


@dataclass(frozen=True, kw_only=True)
class ResumeRecord:
    """The record beside an unfinished file that makes it safe to resume."""

    version: str  # fingerprint of the product
    etag: str  # strong
    size: int  # bytes, of the whole file


def resume_key(product: Product) -> str | None:
    """Return the name of a version's unfinished file; None where MAST gives no checksum."""
    if not product.checksum:
        return None
    return hashlib.sha256(f"{product.uri}\n{product.fingerprint}".encode()).hexdigest()[:KEY_DIGITS]


def kind_of_etag(etag: str) -> str:
    """Return whether an ETag promises equal bytes: strong or weak; none for an empty text."""
    return STRONG if is_strong(etag) else WEAK if etag else NONE


def is_strong(etag: str | None) -> TypeGuard[str]:
    """Return whether an ETag promises equal bytes (RFC 9110, 8.8.1)."""
    return etag is not None and len(etag) > 2 and etag.startswith('"') and etag.endswith('"')


def record_path(part: Path) -> Path:
    """Return the path of the record of an unfinished file."""
    return part.with_suffix(RECORD_SUFFIX)


def write_record(part: Path, record: ResumeRecord) -> None:
    """Write the record of an unfinished file.

    It is not made durable: after a power cut the file is fetched again.
    """
    record_path(part).write_bytes(msgspec.json.encode(record))


def read_record(part: Path, version: str, size: int | None) -> ResumeRecord | None:
    """Return the record of an unfinished file of this version and size; None if in any doubt."""
    try:
        record = read(record_path(part), ResumeRecord)
        length = part.stat().st_size
    except (OSError, StoreError):
        return None
    fits = record.version == version and size in (None, record.size) and is_strong(record.etag)
    return record if fits and 0 < length < record.size else None


def remove_record(part: Path) -> None:
    """Remove the record of a file, if there is one."""
    record_path(part).unlink(missing_ok=True)


def remove_partial(part: Path) -> None:
    """Remove a file and its record."""
    remove_record(part)
    part.unlink(missing_ok=True)
