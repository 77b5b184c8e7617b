"""What a file says, apart from when and where it was written: equal science, equal identity."""

import hashlib
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from jwmirror.errors import CalibrationError
from jwmirror.files import BLOCK, sha256_of

VOLATILE = frozenset({"DATE", "CHECKSUM", "DATASUM", "FILENAME"})  # cards, and columns of HDRTAB
VOLATILE_BRANCHES = frozenset({"asdf_library", "history", "cal_logs", "_fits_hash"})  # of a tree
VOLATILE_META = frozenset({"date", "filename"})  # below "meta" in a tree
ASDF_BLOCK_MAGIC = b"\xd3BLK"


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
            _check_end(hdus[-1], file)
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise CalibrationError(f"{filename}: it cannot be read as FITS: {err}") from err
    return total.hexdigest()


def _check_end(last: Any, file: BinaryIO) -> None:
    """astropy drops an HDU whose header is cut, with a warning only."""
    place = last.fileinfo()
    end, size = place["datLoc"] + place["datSpan"], os.fstat(file.fileno()).st_size
    if end != size:
        raise OSError(f"the last HDU that can be read ends at byte {end} of {size}")


def _hdu_digest(hdu: Any, file: BinaryIO) -> str:
    if hdu.name == "ASDF" and "ASDF_METADATA" in hdu.columns.names:
        return _tree_digest(hdu.data["ASDF_METADATA"].tobytes())
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
    for block in _asdf_blocks(content):
        _add(digest, block)
    return digest.hexdigest()


def _tokens(node: Any, place: tuple[str, ...]) -> Iterator[str]:
    """The leaves and the shape of a tree, in one order for equal trees."""
    tag = getattr(node, "_tag", "")
    if isinstance(node, dict):
        yield f"{{{tag}"
        for key in sorted(node, key=str):
            if not _is_volatile(str(key), place):
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


def _is_volatile(key: str, place: tuple[str, ...]) -> bool:
    return key in VOLATILE_BRANCHES or (place == ("meta",) and key in VOLATILE_META)


def _asdf_blocks(content: bytes) -> Iterator[bytes]:
    """The used bytes of each binary block after the tree (ASDF standard 1.5, section "Blocks").

    A block is its magic, 2 bytes of header size, 4 flags, 4 compression, then three sizes of 8
    bytes (allocated, used, data); the index after the last block holds offsets only.
    """
    end_of_tree = content.find(b"\n...\n")
    at = content.find(ASDF_BLOCK_MAGIC, end_of_tree) if end_of_tree >= 0 else -1
    while at >= 0 and content[at : at + 4] == ASDF_BLOCK_MAGIC:
        start = at + 6 + int.from_bytes(content[at + 4 : at + 6], "big")
        allocated = int.from_bytes(content[at + 14 : at + 22], "big")
        used = int.from_bytes(content[at + 22 : at + 30], "big")
        yield content[start : start + used]
        at = start + allocated


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
