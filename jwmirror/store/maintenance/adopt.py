"""Adoption: files of the user's own are taken into the store as if they had been downloaded.

Each file is copied, and the copy is compared with MAST's checksum; only equal files are adopted.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from jwmirror.core.errors import RejectedError, StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import BLOCK, as_store_error, open_regular
from jwmirror.core.folders import no_folder
from jwmirror.core.jsonio import digest, write
from jwmirror.core.model import Product, Receipt, Version
from jwmirror.core.model.maintenance import AdoptedFile, AdoptionReport
from jwmirror.store.maintenance.checkout import reflink
from jwmirror.store.maintenance.run_cleanup import ADOPTED
from jwmirror.store.objects import Objects

Describe = Callable[[Product, Path, str, int], Version]
Check = Callable[[Path, str], None]


class _NotAdoptedError(Exception):
    """A file that is not adopted; the text says why."""


class _CheckedFile(NamedTuple):
    product: Product
    path: Path  # of the copy; in a dry run, of the file itself
    sha256: str
    size: int  # bytes


def adopt(
    root: Path,
    folder: Path,
    wanted: Mapping[str, Product],
    stored: Iterable[str],
    describe: Describe,
    check: Check,
    into: Path | None,
    group: str | None = None,
) -> AdoptionReport:
    """Adopt the files below `folder` that are products as MAST has them; they are not changed.

    `wanted` are the products that the mirror lacks, by file name; `stored` the names that it has.
    `check` raises RejectedError if a file's content does not fit its name, `describe` returns its
    version. `into` is an empty folder on the store's file system; None is a dry run.

    Raises:
        StoreError: there is no such folder, or the store's disk refused a write.
    """
    files: list[AdoptedFile] = []
    adopted: list[_CheckedFile] = []
    known, unlisted = set(stored), list[OSError]()
    with as_store_error("adopt", "a file without a receipt is not adopted"):
        for path in _files(folder, unlisted):
            copy, why = into / str(len(adopted)) if into else None, ""
            try:
                product = _product_of(path, wanted, known)
                adopted.append(_checked(path, copy, product, check))
                known.add(path.name)
            except _NotAdoptedError as err:
                why = str(err)
                if copy:
                    copy.unlink(missing_ok=True)
            files.append(AdoptedFile(file=str(path), is_adopted=not why, why=why))
        for error in unlisted:
            why = f"cannot be listed: {error.strerror}"
            files.append(AdoptedFile(file=str(error.filename), is_adopted=False, why=why))
        receipt = _take(Path(root), adopted, describe, group) if into and adopted else ""
    return AdoptionReport(
        mirror=str(root),
        folder=str(folder),
        files=tuple(files),
        bytes=sum(file.size for file in adopted),
        receipt=receipt,
    )


def check_folder(folder: Path) -> None:
    """Raise StoreError unless there is a folder to adopt files from."""
    if why := no_folder(Path(folder)):
        raise StoreError(f"{Path(folder).absolute()}: {why}; name one with files to adopt.")


def _files(folder: Path, unlisted: list[OSError]) -> Iterator[Path]:
    """Yield the files below a folder; add the errors of folders that cannot be listed."""
    check_folder(folder)
    for above, folders, names in os.walk(folder, onerror=unlisted.append):
        folders.sort()
        yield from (Path(above) / name for name in sorted(names))


def _product_of(path: Path, wanted: Mapping[str, Product], known: Collection[str]) -> Product:
    """Return the product of a file's name, if the file may be compared with it."""
    product = wanted.get(path.name)
    if path.name in known:
        raise _NotAdoptedError("the mirror already has MAST's version")
    if product is None:
        raise _NotAdoptedError("the config selects, and MAST lists, no product of that name")
    if not product.checksum and not (product.validator or "").startswith("sha256:"):
        raise _NotAdoptedError("MAST has no checksum to compare it with; the next run downloads it")
    if not os.path.isfile(path):
        raise _NotAdoptedError("expected a file, found something else, or a broken link")
    if product.size not in (None, path.stat().st_size):  # before gigabytes are copied and hashed
        size = path.stat().st_size
        raise _NotAdoptedError(f"size: expected {product.size} bytes, found {size}")
    return product


def _checked(path: Path, copy: Path | None, product: Product, check: Check) -> _CheckedFile:
    """Copy a file, and compare the copy with MAST's product; without `copy`, the file itself."""
    if copy:
        _copy(path, copy)
    source, size = copy or path, 0
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for block in _blocks(source):
        size += len(block)
        md5.update(block)
        sha256.update(block)
    try:
        _compare(product, size, {"md5": md5.hexdigest(), "sha256": sha256.hexdigest()})
        check(source, path.name)
    except RejectedError as err:
        why = f"{err.what}: expected {err.expected}, found {err.found}"
        raise _NotAdoptedError(why) from err
    return _CheckedFile(product, source, sha256.hexdigest(), size)


def _copy(path: Path, copy: Path) -> None:
    """Copy a file; the copy shares its blocks if the file system can do that."""
    try:
        reflink(path, copy)
    except OSError:
        with open(copy, "wb") as target:
            target.writelines(_blocks(path))
    failpoint("adopt: file copied", copy)


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes. A read error concerns that file only, other than one of writing."""
    try:
        with open_regular(path) as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as err:
        raise _NotAdoptedError(f"cannot be read: {err.strerror}") from err


def _compare(product: Product, size: int, sums: Mapping[str, str]) -> None:
    """Raise RejectedError if size or checksum are not the product's; md5 is MAST's checksum."""
    if product.size not in (None, size):
        raise RejectedError(product.filename, "size", f"{product.size} bytes", size)
    algorithm = "md5" if product.checksum else "sha256"
    expected = product.checksum or (product.validator or "").removeprefix("sha256:")
    if sums[algorithm] != expected:
        raise RejectedError(product.filename, algorithm, expected, sums[algorithm])


def _take(root: Path, adopted: list[_CheckedFile], describe: Describe, group: str | None) -> str:
    """Move the copies into the store; return the path of a receipt like that of a download."""
    versions = [describe(*file) for file in adopted]
    Objects(root, group).add_versions(versions, [file.path for file in adopted])
    failpoint("adopt: objects taken in")
    name = f"receipts/fetch/{ADOPTED}{digest(versions)[:16]}.json"
    write(root / name, Receipt(versions=tuple(versions)))
    failpoint("adopt: receipt written")
    return name
