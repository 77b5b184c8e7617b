"""Compares two versions of one file, by what kind of file it is."""

from pathlib import Path
from typing import Any

from jwmirror.compare.associations import compare_json
from jwmirror.compare.fitsfiles import compare_fits
from jwmirror.compare.tables import compare_ecsv
from jwmirror.core.errors import StoreError
from jwmirror.core.files import sha256_of
from jwmirror.core.model.comparison import BYTES, IDENTICAL, Comparison, FileContent

KINDS = {".fits": compare_fits, ".json": compare_json, ".ecsv": compare_ecsv}
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"PK": "zip", b"(\xb5": "zstd"}


def compare_files(
    old: Path, new: Path, filename: str = "", sums: tuple[str, str] | None = None
) -> Comparison:
    """How two versions of a file differ; StoreError if one cannot be read whole.

    `filename` tells the kind where the paths do not, as those of objects; `sums` are the sha256
    that they must have. Files of any size are read in small pieces.
    """
    filename = filename or Path(old).name
    contents = {"old": _content(old, filename), "new": _content(new, filename)}
    for path, content, expected in zip(
        (old, new), contents.values(), sums or ("", ""), strict=True
    ):
        _check_sum(path, content, expected)
    if contents["old"].sha256 == contents["new"].sha256:
        return Comparison(verdict=IDENTICAL, **contents)
    compare_kind = KINDS.get(Path(filename).suffix)
    if compare_kind is None:
        return Comparison(verdict=BYTES, **contents)
    for path in (old, new):
        _check_plain(path, filename)
    found: dict[str, Any] = compare_kind(Path(old), Path(new), filename)
    return Comparison(**contents, **found)


def _content(path: Path, filename: str) -> FileContent:
    try:
        return FileContent(sha256=sha256_of(path), size=Path(path).stat().st_size)
    except OSError as err:
        raise StoreError(
            f"{filename}: {path} cannot be read ({err.strerror}); nothing was compared; take it "
            "back from a copy of the mirror."
        ) from err


def _check_sum(path: Path, content: FileContent, expected: str) -> None:
    if expected not in ("", content.sha256):
        raise StoreError(
            f"sha256 of object {path}: expected {expected}, got {content.sha256}; its bytes have "
            "decayed or were edited; nothing was compared; take it back from a copy of the mirror."
        )


def _check_plain(path: Path, filename: str) -> None:
    """StoreError if a file is compressed, whatever its name says."""
    with open(path, "rb") as file:
        found = COMPRESSED.get(file.read(2))
    if found:
        raise StoreError(
            f"{filename}: {path}: expected a plain file, found one compressed by {found}; nothing "
            "was compared; MAST offers plain files, so see where this one came from."
        )
