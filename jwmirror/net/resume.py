"""What is left of a download that did not end: which bytes of which version, and under what ETag.

A leftover saves work and is never trusted: it belongs to a version with a checksum of MAST's, its
bytes are hashed again, and the whole has to come out as that checksum.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from jwmirror.core.model import Product, read

PART_SUFFIX, RECORD_SUFFIX = ".part", ".kept"
KEY_DIGITS = 32  # hex digits of a leftover's name


@dataclass(frozen=True, kw_only=True)
class ResumeRecord:
    """The record beside an unfinished file that makes it safe to go on with it."""

    version: str  # of the product, as its listing told
    etag: str  # strong
    size: int  # bytes, of the whole file


def resume_key(product: Product) -> str | None:
    """The name of what is left of a version; None where MAST gives no checksum to hold it to."""
    if not product.checksum:
        return None
    return hashlib.sha256(f"{product.uri}\n{product.fingerprint}".encode()).hexdigest()[:KEY_DIGITS]


def is_strong(etag: str | None) -> bool:
    """Whether an ETag promises equal bytes, not just equal meaning."""
    return bool(etag) and len(etag) > 2 and etag.startswith('"') and etag.endswith('"')


def record_path(part: Path) -> Path:
    """Where the record of an unfinished file is."""
    return part.with_suffix(RECORD_SUFFIX)


def write_record(part: Path, kept: ResumeRecord) -> None:
    """Leave the record beside an unfinished file: from now on it outlives its process.

    It need not be durable: what a power cut takes is fetched again.
    """
    record_path(part).write_bytes(msgspec.json.encode(kept))


def read_record(part: Path, version: str, size: int | None) -> ResumeRecord | None:
    """The record of an unfinished file of this version and size; None if there is any doubt."""
    try:
        kept = read(record_path(part), ResumeRecord)
        length = part.stat().st_size
    except (OSError, msgspec.MsgspecError):
        return None
    fits = kept.version == version and size in (None, kept.size) and is_strong(kept.etag)
    return kept if fits and 0 < length < kept.size else None


def remove_record(part: Path) -> None:
    """Remove the record of a file, if there is one."""
    with suppress(FileNotFoundError):
        record_path(part).unlink()


def remove_partial(part: Path) -> None:
    """Remove a file and its record."""
    remove_record(part)
    with suppress(FileNotFoundError):
        part.unlink()
