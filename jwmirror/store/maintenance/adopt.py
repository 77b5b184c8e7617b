"""Adoption: files that people have already come into the store as if they had been fetched.

Each is copied, and the copy is hashed and held to MAST's checksum; only what matches is taken in.
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
    """A file's bytes cannot be had; why."""


@dataclass(frozen=True)
class _Sums:
    size: int
    md5: str
    sha256: str


def adopt(
    root: Path,
    folder: Path,
    wanted: Mapping[str, Product],
    held: Iterable[str],
    describe: Callable[[Product, Path, str, int], Version],
    check: Callable[[Path, str], None],
    into: Path | None,
    group: str | None = None,
) -> AdoptionReport:
    """Take in the files below `folder` that are products MAST has now; they are not changed.

    A file that cannot be read is told with why, as one that is not MAST's, and the rest go on.

    `wanted`: file name -> product that the mirror lacks; `held`: names it has already. `check`
    raises RejectedError if a file cannot be read as what its name says, `describe` makes its
    version. `into` is an empty folder of the store's file system; None: nothing is taken in, it is
    only told what would be.
    """
    files, versions, copies, known = [], [], [], set(held)
    with as_store_error("adopt", "what has no receipt is not adopted"):
        for path, unlisted in _files(Path(folder)):
            copy = into / str(len(copies)) if into else None
            why, sums = unlisted or _why_not(path, wanted, known), None
            if not why:
                why, sums = _judged(path, copy, wanted[path.name], check)
            if sums:
                known.add(path.name)
                versions.append((wanted[path.name], sums))
                copies += [copy] if copy else []
            elif copy:
                copy.unlink(missing_ok=True)
            files.append(AdoptedFile(file=str(path), is_adopted=not why, why=why))
        receipt = _taken(Path(root), versions, copies, describe, group) if into and versions else ""
    return AdoptionReport(
        mirror=str(root),
        folder=str(folder),
        files=tuple(files),
        bytes=sum(sums.size for _, sums in versions),
        receipt=receipt,
    )


def check_folder(folder: Path) -> None:
    """StoreError unless there is a folder to adopt files from."""
    if not Path(folder).is_dir():
        raise StoreError(f"{folder}: expected a folder with files to adopt, found none.")


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files below a folder; and folders that cannot be listed, with why."""
    check_folder(folder)
    unlisted: list[OSError] = []
    for above, folders, names in os.walk(folder, onerror=unlisted.append):
        folders.sort()
        yield from ((Path(above) / name, "") for name in sorted(names))
    yield from ((Path(err.filename), f"cannot be listed: {err.strerror}") for err in unlisted)


def _why_not(path: Path, wanted: Mapping[str, Product], held: Iterable[str]) -> str:
    """What speaks against a file before it is opened; "" if nothing."""
    name = path.name
    if name in held:
        return "the mirror has it already, as MAST has it"
    if name not in wanted:
        return "no product of that name is selected by the config and listed by MAST"
    product = wanted[name]
    if not product.checksum and not (product.validator or "").startswith("sha256:"):
        return "MAST keeps no checksum of it to hold it to; the next run fetches it"
    if not os.path.isfile(path):
        return "expected a file, found something else, or a link to nothing"
    return ""


def _judged(
    path: Path, copy: Path | None, product: Product, check: Callable[[Path, str], None]
) -> tuple[str, _Sums | None]:
    """Why a file, or its copy, is not what MAST has, or its sums."""
    try:
        brought = _brought(path, copy)
        sums = _sums(brought)
    except _UnreadableError as err:
        return str(err), None
    why = _mismatch(product, sums) or _unreadable(check, brought, path.name)
    return why, None if why else sums


def _brought(path: Path, copy: Path | None) -> Path:
    """The file itself, or its copy; blocks are shared where the file system can."""
    if copy is None:
        return path
    if not _cloned(path, copy):
        with open(copy, "wb") as target:
            target.writelines(_blocks(path))
    failpoint("adopt: file copied", copy)
    return copy


def _cloned(path: Path, copy: Path) -> bool:
    """Whether a copy could be made that shares the file's blocks."""
    with suppress(OSError), open(path, "rb") as source, open(copy, "xb") as target:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        return True
    return False


def _blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes; _UnreadableError where they cannot be had."""
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as err:
        raise _UnreadableError(f"cannot be read: {err.strerror}") from err


def _sums(path: Path) -> _Sums:
    """Length and sums of a file, read once."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    for block in _blocks(path):
        size += len(block)
        md5.update(block)
        sha256.update(block)
    return _Sums(size, md5.hexdigest(), sha256.hexdigest())


def _mismatch(product: Product, sums: _Sums) -> str:
    """How a file's bytes are not those that MAST has; "" if they are."""
    if product.size not in (None, sums.size):
        return f"size: expected {product.size} bytes, found {sums.size}"
    if product.checksum:
        same = product.checksum == sums.md5
        return "" if same else f"md5: expected {product.checksum}, found {sums.md5}"
    expected = (product.validator or "").removeprefix("sha256:")
    return "" if expected == sums.sha256 else f"sha256: expected {expected}, found {sums.sha256}"


def _unreadable(check: Callable[[Path, str], None], path: Path, name: str) -> str:
    try:
        check(path, name)
    except RejectedError as err:
        return f"{err.what}: expected {err.expected}, found {err.found}"
    return ""


def _taken(
    root: Path,
    found: list[tuple[Product, _Sums]],
    copies: list[Path],
    describe: Callable[[Product, Path, str, int], Version],
    group: str | None,
) -> str:
    """Take the copies in, then say so in a receipt, as a fetch does; where that is."""
    versions = [
        describe(product, copy, sums.sha256, sums.size)
        for (product, sums), copy in zip(found, copies, strict=True)
    ]
    Objects(root, group).take_all(versions, copies)
    failpoint("adopt: objects taken in")
    name = f"receipts/fetch/{ADOPTED}{digest(versions)[:16]}.json"
    write(root / name, Receipt(versions=tuple(versions)))
    failpoint("adopt: receipt written")
    return name
