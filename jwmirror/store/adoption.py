"""Adoption: files that people have already come into the store as if they had been fetched.

Each is copied, and the copy is hashed and held to MAST's checksum; only what matches is taken in.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jwmirror.encoding import digest, write
from jwmirror.errors import RejectedError, StoreError
from jwmirror.failpoints import failpoint
from jwmirror.files import BLOCK
from jwmirror.records import Product, Receipt, Version
from jwmirror.store.checkouts import FICLONE
from jwmirror.store.objects import Objects


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What became of one file."""

    file: str
    is_adopted: bool
    why: str  # "" if adopted


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What became of the files in a folder."""

    mirror: str
    folder: str
    files: tuple[Adopted, ...]  # by name
    bytes: int  # of what was adopted
    receipt: str  # below the mirror; "" where nothing was adopted, or in a dry run


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
) -> Adoption:
    """Take in the files below `folder` that are products MAST has now; they are not changed.

    `wanted`: file name -> product that the mirror lacks; `held`: names it has already. `check`
    raises RejectedError if a file cannot be read as what its name says, `describe` makes its
    version. `into` is an empty folder of the store's file system; None: nothing is taken in, it is
    only told what would be.
    """
    files, versions, copies, known = [], [], [], set(held)
    for path in _files(Path(folder)):
        why = _why_not(path.name, wanted, known)
        if not why:
            product, copy = wanted[path.name], into / str(len(copies)) if into else None
            brought = _brought(path, copy)
            sums = _sums(brought)
            why = _mismatch(product, sums) or _unreadable(check, brought, path.name)
            if not why:
                known.add(path.name)
                versions.append((product, sums))
                copies += [copy] if copy else []
            elif copy:
                copy.unlink()
        files.append(Adopted(file=str(path), is_adopted=not why, why=why))
    receipt = _taken(Path(root), versions, copies, describe, group) if into and versions else ""
    return Adoption(
        mirror=str(root),
        folder=str(folder),
        files=tuple(files),
        bytes=sum(sums.size for _, sums in versions),
        receipt=receipt,
    )


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise StoreError(f"{folder}: expected a folder with files to adopt, found none.")
    for above, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(above) / name for name in sorted(names))


def _why_not(name: str, wanted: Mapping[str, Product], held: Iterable[str]) -> str:
    """What speaks against a file before it is opened; "" if nothing."""
    if name in held:
        return "the mirror has it already, as MAST has it"
    if name not in wanted:
        return "no product of that name is selected by the config and listed by MAST"
    product = wanted[name]
    if not product.checksum and not (product.validator or "").startswith("sha256:"):
        return "MAST keeps no checksum of it to hold it to; the next run fetches it"
    return ""


def _brought(path: Path, copy: Path | None) -> Path:
    """The file itself, or its copy; blocks are shared where the file system can."""
    if copy is None:
        return path
    try:
        with open(path, "rb") as source, open(copy, "xb") as target:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
    except OSError as err:
        if err.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY):
            raise _refused(path, err) from err
        try:
            shutil.copyfile(path, copy)
        except OSError as second:
            raise _refused(path, second) from second
    failpoint("adopt: file copied", copy)
    return copy


def _refused(path: Path, err: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be copied into the mirror: {err}; nothing was adopted; make room or mend "
        "the permissions, and try again."
    )


def _sums(path: Path) -> _Sums:
    """Length and sums of a file, read once."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with _opened(path) as file:
        while block := file.read(BLOCK):
            size += len(block)
            md5.update(block)
            sha256.update(block)
    return _Sums(size, md5.hexdigest(), sha256.hexdigest())


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as err:
        raise _refused(path, err) from err


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
    name = f"receipts/fetch/adopted.{digest(versions)[:16]}.json"
    write(root / name, Receipt(versions=tuple(versions)))
    failpoint("adopt: receipt written", root / name)
    return name
