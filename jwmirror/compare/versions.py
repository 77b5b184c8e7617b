"""Comparison of two versions of one file, by the kind of file."""

from pathlib import Path

from jwmirror.compare.associations import compare_json
from jwmirror.compare.fitsfiles import compare_fits, compare_fits_without_sky
from jwmirror.compare.tables.ecsv import compare_ecsv
from jwmirror.core.errors import StoreError, failures_as
from jwmirror.core.files import open_regular, sha256_of
from jwmirror.core.model.comparison import BYTES, IDENTICAL, Comparison, FileContent

COMPARE_KIND = {".fits": compare_fits, ".json": compare_json, ".ecsv": compare_ecsv}
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"PK": "zip", b"(\xb5": "zstd"}


def compare_files(
    old: Path, new: Path, filename: str = "", sums: tuple[str, str] = ("", "")
) -> Comparison:
    """Return how two versions of a file differ. Files of any size are read in small blocks.

    `filename` gives the kind where the paths do not (objects of the store have no suffix); `sums`
    are the expected sha256 of both ("": unknown).

    Raises:
        StoreError: a file cannot be read, is compressed, or has another sha256 than expected.
    """
    old, new = Path(old), Path(new)
    filename = filename or old.name
    old_content = _checked_content(old, filename, sums[0])
    new_content = _checked_content(new, filename, sums[1])
    verdict = BYTES if old_content != new_content else IDENTICAL
    comparison = Comparison(verdict=verdict, old=old_content, new=new_content)
    return comparison if verdict == IDENTICAL else _compared(comparison, old, new, filename)


def compare_content(old: Path, new: Path, filename: str) -> Comparison:
    """Return how two versions of a file differ whose bytes differ; their sha256 is not computed.

    So each is read once. The shift of the sky is not computed, either.

    Raises:
        StoreError: a file cannot be read, or is compressed.
    """
    contents = (FileContent(sha256="", size=path.stat().st_size) for path in (old, new))
    comparison = Comparison(verdict=BYTES, old=next(contents), new=next(contents))
    return _compared(comparison, old, new, filename, has_sky=False)


def _compared(
    comparison: Comparison, old: Path, new: Path, filename: str, has_sky: bool = True
) -> Comparison:
    compare_kind = COMPARE_KIND.get(Path(filename).suffix)
    if compare_kind is None:
        return comparison
    if compare_kind is compare_fits and not has_sky:
        compare_kind = compare_fits_without_sky
    for path in (old, new):
        _check_uncompressed(path, filename)
    with failures_as(
        lambda why: StoreError(f"{filename}: {old} and {new} cannot be compared: {why}.")
    ):
        return compare_kind(comparison, old, new, filename)


def _checked_content(path: Path, filename: str, expected: str) -> FileContent:
    """Return sha256 and size of a file; StoreError if the sha256 is not the expected one."""
    try:
        content = FileContent(sha256=sha256_of(path), size=path.stat().st_size)
    except OSError as err:
        raise StoreError(
            f"{filename}: {path} cannot be read ({err.strerror}); nothing was compared; restore it "
            "from a copy of the mirror."
        ) from err
    if expected not in ("", content.sha256):
        raise StoreError(
            f"sha256 of object {path}: expected {expected}, got {content.sha256}; the file was "
            "damaged or edited; nothing was compared; restore it from a copy of the mirror."
        )
    return content


def _check_uncompressed(path: Path, filename: str) -> None:
    """Raise StoreError if a file is compressed, whatever its name."""
    with open_regular(path) as file:
        compression = COMPRESSED.get(file.read(2))
    if compression:
        raise StoreError(
            f"{filename}: {path}: expected an uncompressed file, found {compression}; nothing was "
            "compared; MAST offers uncompressed files, so check the source of this one."
        )
