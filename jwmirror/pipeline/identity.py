"""What a file says, apart from when and where it was written: equal science, equal identity."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import BLOCK, sha256_of
from jwmirror.core.fits import VOLATILE, asdf_blocks, asdf_content, check_structure, is_volatile
from jwmirror.core.model import Product, Version
from jwmirror.pipeline.headers import crds_header


def science_identity(path: Path, filename: str = "") -> str:
    """Hex sha256 of the science content of a file: FITS and ECSV by meaning, others by bytes.

    Two files that differ only in when, where or under which name they were written are equal.
    `filename` tells the kind where the path does not. CalibrationError: it cannot be read whole.
    """
    filename = filename or Path(path).name
    if filename.endswith(".fits"):
        return _fits_identity(Path(path), filename)
    if filename.endswith(".ecsv"):
        return _ecsv_identity(Path(path))
    return sha256_of(path)


def _fits_identity(path: Path, filename: str) -> str:
    from astropy.io import fits

    total = hashlib.sha256()
    try:
        with (
            open(path, "rb") as file,
            fits.open(file, memmap=False, disable_image_compression=True) as hdus,
        ):
            for hdu in hdus:
                _add(total, hdu.name, _hdu_digest(hdu, file))
            check_structure(path)
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise CalibrationError(f"{filename}: it cannot be read as FITS: {err}") from err
    return total.hexdigest()


def _hdu_digest(hdu: Any, file: BinaryIO) -> str:
    if (content := asdf_content(hdu)) is not None:
        return _tree_digest(content)
    if hdu.name == "HDRTAB":
        return _table_digest(hdu)
    digest = hashlib.sha256()
    for card in _cards(hdu.header):
        _add(digest, *card)
    for block in _data_blocks(hdu, file):
        digest.update(block)
    return digest.hexdigest()


def _cards(header: Any) -> list[tuple[str, str]]:
    """The cards that say something, in an order that does not depend on the writer's."""
    return sorted((c.keyword, repr(c.value)) for c in header.cards if c.keyword not in VOLATILE)


def _data_blocks(hdu: Any, file: BinaryIO) -> Iterator[bytes]:
    """The bytes of an HDU's data as they are on disk, a block at a time."""
    place = hdu.fileinfo()
    left = place["datSpan"]
    file.seek(place["datLoc"])
    while left > 0:
        block = file.read(min(BLOCK, left))
        if not block:
            raise OSError(f"the data of {hdu.name} end {left} bytes early")
        left -= len(block)
        yield block


def _table_digest(hdu: Any) -> str:
    """Digest of a table by its columns, without the volatile ones."""
    digest = hashlib.sha256()
    for column in hdu.columns:
        if column.name not in VOLATILE:
            values = hdu.data[column.name]
            _add(digest, column.name, str(column.format), str(column.unit), values.shape)
            digest.update(values.tobytes())
    return digest.hexdigest()


# ---- the ASDF tree in a FITS file ------------------------------------------------------------


def _tree_digest(content: bytes) -> str:
    """Digest of an ASDF file's tree (without dates and hashes) and of its binary blocks."""
    from asdf.util import load_yaml

    digest = hashlib.sha256()
    for token in _tokens(load_yaml(BytesIO(content), tagged=True), ()):
        _add(digest, token)
    for block in asdf_blocks(content):
        _add(digest, block)
    return digest.hexdigest()


def _tokens(node: Any, place: tuple[str, ...]) -> Iterator[str]:
    """The leaves and the shape of a tree, in one order for equal trees."""
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
    """Digest of the columns' names, types and units, and of the values; not of the meta data."""
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
    """Feed parts with their lengths, so that no two sequences of parts look alike."""
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)


INPUT_SUFFIXES = frozenset({"uncal"})
WITH_HEADER = INPUT_SUFFIXES | {"rate", "rateints", "cal", "calints"}


def version_of(product: Product, path: Path, sha256: str, size: int) -> Version:
    """The version that a verified file is: with identity and header where it is an exposure.

    A file that cannot be calibrated is kept all the same; its `refusal` then says why.
    """
    if product.suffix not in INPUT_SUFFIXES or not product.filename.endswith(".fits"):
        return Version(product=product, sha256=sha256, size=size)
    return describe_version(product, path, sha256, size)


def describe_version(product: Product, path: Path, sha256: str, size: int) -> Version:
    """The version with its science identity, and with the header where stage 2 or 3 may ask for it.

    These are read of raw exposures when they are fetched, of other products when a recipe starts
    from them.
    """
    identity = header = refusal = ""
    try:
        identity = science_identity(path, product.filename)
        if product.suffix in WITH_HEADER:
            header = crds_header(path, product.filename)
    except CalibrationError as err:
        refusal = str(err)
    return Version(
        product=product, sha256=sha256, size=size, identity=identity, header=header, refusal=refusal
    )
