"""Science identity: a digest of a file's content without dates, paths and versions of writing."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from jwmirror.core.errors import CalibrationError, failures_as, is_of_this_machine
from jwmirror.core.files import BLOCK, sha256_of
from jwmirror.core.fits import (
    VOLATILE,
    LargeTreeError,
    asdf_blocks,
    asdf_content,
    card_value,
    check_structure,
    check_table,
    is_volatile,
    read_tree,
)
from jwmirror.core.model import Product, Version
from jwmirror.pipeline.headers import HEADER_SCHEME, crds_header
from jwmirror.pipeline.installed import can_recalibrate
from jwmirror.pipeline.registry import STEP_INPUTS

# The version of science_identity: 1 more with each change of what it returns for some file. From 2
# on it begins each identity, so keys of the first version stay as they are.
IDENTITY_SCHEME = 1
INPUT_SUFFIXES = frozenset({"uncal"})
UNREAD = "unread"  # in place of a scheme: memory or disk failed, so it is read again later
WITH_HEADER = INPUT_SUFFIXES | {"rate", "rateints", "cal", "calints"} | STEP_INPUTS


def science_identity(path: Path, filename: str = "") -> str:
    """Return a hex sha256 of the science content: of FITS and ECSV by meaning, of others by bytes.

    Files that differ only in the date, the place or the file name of writing have the same
    identity. `filename` is the file's name if the path has another one.

    Raises:
        CalibrationError: the file cannot be read completely.
    """
    filename = filename or Path(path).name
    kind = Path(filename).suffix.removeprefix(".").upper()
    with failures_as(
        lambda why: CalibrationError(f"{filename}: it cannot be read as {kind}: {why}")
    ):
        digest = _content_digest(Path(path), filename)
    return digest if IDENTITY_SCHEME == 1 else f"{IDENTITY_SCHEME}:{digest}"


def _content_digest(path: Path, filename: str) -> str:
    if filename.endswith(".fits"):
        return _fits_identity(path, filename.endswith("_uncal.fits"))
    return _ecsv_identity(path) if filename.endswith(".ecsv") else sha256_of(path)


def is_current(identity: str) -> bool:
    """Return whether the present science_identity made an identity, not an earlier version."""
    scheme, colon, _ = identity.partition(":")
    return int(scheme if colon else 1) == IDENTITY_SCHEME


def _fits_identity(path: Path, is_raw: bool) -> str:
    from astropy.io import fits

    total = hashlib.sha256()
    check_structure(path)
    with (
        open(path, "rb") as file,
        fits.open(file, memmap=False, disable_image_compression=True) as hdus,
    ):
        for hdu in hdus:
            check_table(hdu)
            _add(total, hdu.name, _hdu_digest(hdu, file, is_raw))
    return total.hexdigest()


def _hdu_digest(hdu: Any, file: BinaryIO, is_raw: bool) -> str:
    if (content := asdf_content(hdu)) is not None:
        return _tree_digest(content, is_raw)
    if hdu.name == "HDRTAB" and hasattr(hdu, "columns") and not _has_heap(hdu):
        return _table_digest(hdu)
    digest = hashlib.sha256()
    for card in _cards(hdu.header):
        _add(digest, *card)
    for block in _data_blocks(hdu, file):
        digest.update(block)
    return digest.hexdigest()


def _cards(header: Any) -> list[tuple[str, str]]:
    """Return the cards that are not volatile, in an order that does not depend on the writer."""
    return sorted(
        (card.keyword, repr(card_value(card)))
        for card in header.cards
        if card.keyword not in VOLATILE
    )


def _data_blocks(hdu: Any, file: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of an HDU's data as they are on disk, block by block."""
    place = hdu.fileinfo()
    left = place["datSpan"]
    file.seek(place["datLoc"])
    while left > 0:
        block = file.read(min(BLOCK, left))
        if not block:
            raise OSError(f"the data of {hdu.name} end {left} bytes early")
        left -= len(block)
        yield block


def _has_heap(hdu: Any) -> bool:
    """Return whether a table has columns of arrays, whose values would be addresses in memory."""
    return any(set("PQ") & set(str(column.format)) for column in hdu.columns)


def _table_digest(hdu: Any) -> str:
    """Return a digest of a table's columns, without the volatile ones."""
    digest = hashlib.sha256()
    for column in hdu.columns:
        if column.name not in VOLATILE:
            values = hdu.data[column.name]
            _add(digest, column.name, str(column.format), str(column.unit), values.shape)
            digest.update(values.tobytes())
    return digest.hexdigest()


# ---- the ASDF tree in a FITS file ------------------------------------------------------------


def _tree_digest(content: bytes, is_raw: bool) -> str:
    """Return a digest of an ASDF tree (without dates and hashes) and of its binary blocks.

    A tree that is too large to be read counts by its bytes, with its dates: in wide-field spectra
    each of 1,000 slits repeats the coordinates (jwst, pull request 10781). Raw exposures have small
    trees, so a large one is damage.
    """
    digest = hashlib.sha256()
    try:
        tree = read_tree(content)
    except LargeTreeError:
        if is_raw:
            raise
        return hashlib.sha256(content).hexdigest()
    for token in _tokens(tree, ()):
        _add(digest, token)
    for block in asdf_blocks(content):
        _add(digest, block)
    return digest.hexdigest()


def _tokens(node: Any, place: tuple[str, ...]) -> Iterator[str]:
    """Yield the values and the structure of a tree, in the same order for equal trees."""
    tag = getattr(node, "_tag", "")
    if isinstance(node, dict):
        yield f"{{{tag}"
        for key in sorted(node, key=str):
            if not is_volatile(str(key), place):
                yield f"{key}:"
                yield from _tokens(node[key], (*place, str(key)))
        yield "}"
    elif isinstance(node, list):
        yield f"[{tag}"
        for item in node:
            yield from _tokens(item, (*place, "-"))
        yield "]"
    else:
        yield f"{tag}{node!r}"


# ---- ECSV ------------------------------------------------------------------------------------


def _ecsv_identity(path: Path) -> str:
    """Return a digest of the columns' names, types and units, and of the values, without meta."""
    digest = hashlib.sha256()
    in_columns = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            _add(digest, line)
            continue
        if not line.startswith(("# -", "#   ")):
            in_columns = line.startswith("# datatype:")
        elif in_columns:
            _add(digest, line)
    return digest.hexdigest()


def _add(digest: Any, *parts: object) -> None:
    """Add parts with their lengths, so that different sequences of parts never look the same."""
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)


# ---- versions of products ----------------------------------------------------------------------


def downloaded_version(product: Product, path: Path, sha256: str, size: int) -> Version:
    """Return the version of a verified file: with identity and header if it is a raw exposure.

    A raw exposure that cannot be calibrated is kept too; its `refusal` is the reason. Where jwst is
    not installed, no header can be read; it is read when a recipe first needs it.
    """
    is_raw = product.suffix in INPUT_SUFFIXES and product.filename.endswith(".fits")
    if not is_raw or not can_recalibrate():
        return Version(product=product, sha256=sha256, size=size)
    return identified_version(product, path, sha256, size)


def description_scheme() -> str:
    """Return the versions of the functions that describe a file; "" for the first ones."""
    return scheme_text(IDENTITY_SCHEME, HEADER_SCHEME)


def scheme_text(*versions: int) -> str:
    """Return versions of functions as a record names them; "" if each is the first."""
    return "" if set(versions) == {1} else "-".join(map(str, versions))


def identified_version(product: Product, path: Path, sha256: str, size: int) -> Version:
    """Return the version of a file with science identity, and header if a pipeline may need it.

    They are read from raw exposures after the download, and from other products when a recipe
    starts from them.
    """
    identity = header = refusal = ""
    scheme = description_scheme()
    try:
        identity = science_identity(path, product.filename)
        if product.suffix in WITH_HEADER:
            header = crds_header(path, product.filename)
    except CalibrationError as err:
        refusal = str(err)
        scheme = UNREAD if is_of_this_machine(err) else scheme
    version = Version(product=product, sha256=sha256, size=size, scheme=scheme)
    return replace(version, identity=identity, header=header, refusal=refusal)
