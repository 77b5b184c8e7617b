"""Adoption: import files that the user already has.

Each file is copied, and the copy is compared with MAST's size and checksum. Only equal ones are
taken in.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.errors import RejectedError, StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import BLOCK, as_store_error
from jwmirror.core.jsonio import digest, write
from jwmirror.core.model import Product, Receipt, Version
from jwmirror.core.model.maintenance import AdoptedFile, AdoptionReport
from jwmirror.store.maintenance.checkout import FICLONE
from jwmirror.store.maintenance.run_cleanup import ADOPTED
from jwmirror.store.objects import Objects


class _UnreadableError(Exception):
    """A file cannot be read; the text says why."""


@dataclass(frozen=True)
class _Sums:
    size: int
    md5: str
    sha256: str


def adopt(
    root: Path,
    folder: Path,
    wanted: Mapping[str, Product],
    stored: Iterable[str],
    describe: Callable[[Product, Path, str, int], Version],
    check: Callable[[Path, str], None],
    into: Path | None,
    group: str | None = None,
) -> AdoptionReport:
    """Take in copies of the files below `folder` that are products of MAST.

    `wanted` are the products that the mirror lacks, by file name; `stored` the names that it has.
    `check` raises RejectedError if a file does not have the format of its name, `describe` makes a
    file's version. `into` is an empty folder on the store's file system; None only reports what
    would be done. A file that is not adopted is reported with the reason.
    """
    files: list[AdoptedFile] = []
    adopted: list[tuple[Product, _Sums]] = []
    copies: list[Path] = []
    known = set(stored)
    with as_store_error("adopt", "a file without a receipt is not adopted"):
        for path, unlisted in _files(Path(folder)):
            copy = into / str(len(copies)) if into else None
            why, sums = unlisted or _why_not(path, wanted, known), None
            if not why:
                why, sums = _compared(path, copy, wanted[path.name], check)
            if sums:
                known.add(path.name)
                adopted.append((wanted[path.name], sums))
                copies += [copy] if copy else []
            elif copy:
                copy.unlink(missing_ok=True)
            files.append(AdoptedFile(file=str(path), is_adopted=not why, why=why))
        receipt = ""
        if into and adopted:
            receipt = _taken_in(Path(root), adopted, copies, describe, group)
    return AdoptionReport(
        mirror=str(root),
        folder=str(folder),
        files=tuple(files),
        bytes=sum(sums.size for _, sums in adopted),
        receipt=receipt,
    )


def check_folder(folder: Path) -> None:
    """StoreError unless the folder exists."""
    if not Path(folder).is_dir():
        raise StoreError(f"{folder}: expected a folder with files to adopt; it does not exist.")


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files below a folder; then the folders that cannot be listed, with the reason."""
    check_folder(folder)
    unlisted: list[OSError] = []
    for above, folders, names in os.walk(folder, onerror=unlisted.append):
        folders.sort()
        yield from ((Path(above) / name, "") for name in sorted(names))
    yield from ((Path(err.filename), f"cannot be listed: {err.strerror}") for err in unlisted)


def _why_not(path: Path, wanted: Mapping[str, Product], stored: Iterable[str]) -> str:
    """Return why a file cannot be adopted, as far as known without reading it; "" if it can."""
    name = path.name
    if name in stored:
        return "the mirror already has MAST's version"
    if name not in wanted:
        return "the config selects, and MAST lists, no product of that name"
    product = wanted[name]
    if not product.checksum and not (product.validator or "").startswith("sha256:"):
        return "MAST has no checksum to compare it with; the next run downloads it"
    if not os.path.isfile(path):
        return "expected a file, found something else, or a broken link"
    return ""


def _compared(
    path: Path, copy: Path | None, product: Product, check: Callable[[Path, str], None]
) -> tuple[str, _Sums | None]:
    """Copy a file, and return why it is not MAST's version, or its sums."""
    try:
        file = _copied(path, copy)
        sums = _sums(file)
    except _UnreadableError as err:
        return str(err), None
    why = _mismatch(product, sums) or _format_error(check, file, path.name)
    return why, None if why else sums


def _copied(path: Path, copy: Path | None) -> Path:
    """Return the copy, which shares blocks if the file system can; without one the file itself."""
    if copy is None:
        return path
    if not _cloned(path, copy):
        with open(copy, "wb") as target:
            target.writelines(_blocks(path))
    failpoint("adopt: file copied", copy)
    return copy


def _cloned(path: Path, copy: Path) -> bool:
    """Return whether a copy could be made that shares the file's blocks."""
    with suppress(OSError), open(path, "rb") as source, open(copy, "xb") as target:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        return True
    return False


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes. _UnreadableError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as err:
        raise _UnreadableError(f"cannot be read: {err.strerror}") from err


def _sums(path: Path) -> _Sums:
    """Return the length and sums of a file, which is read once."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    for block in _blocks(path):
        size += len(block)
        md5.update(block)
        sha256.update(block)
    return _Sums(size, md5.hexdigest(), sha256.hexdigest())


def _mismatch(product: Product, sums: _Sums) -> str:
    """Return how a file differs from what MAST lists; "" if it does not."""
    if product.size not in (None, sums.size):
        return f"size: expected {product.size} bytes, found {sums.size}"
    if product.checksum:
        same = product.checksum == sums.md5
        return "" if same else f"md5: expected {product.checksum}, found {sums.md5}"
    expected = (product.validator or "").removeprefix("sha256:")
    return "" if expected == sums.sha256 else f"sha256: expected {expected}, found {sums.sha256}"


def _format_error(check: Callable[[Path, str], None], path: Path, name: str) -> str:
    try:
        check(path, name)
    except RejectedError as err:
        return f"{err.what}: expected {err.expected}, found {err.found}"
    return ""


def _taken_in(
    root: Path,
    adopted: list[tuple[Product, _Sums]],
    copies: list[Path],
    describe: Callable[[Product, Path, str, int], Version],
    group: str | None,
) -> str:
    """Take the copies in, and write a receipt as a fetch does; return the receipt's path."""
    versions = [
        describe(product, copy, sums.sha256, sums.size)
        for (product, sums), copy in zip(adopted, copies, strict=True)
    ]
    Objects(root, group).take_all(versions, copies)
    failpoint("adopt: objects taken in")
    name = f"receipts/fetch/{ADOPTED}{digest(versions)[:16]}.json"
    write(root / name, Receipt(versions=tuple(versions)))
    failpoint("adopt: receipt written")
    return name
