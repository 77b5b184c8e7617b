"""What of a file is science, and what only says when, where and as what it was written."""

from collections.abc import Iterator
from typing import Any, BinaryIO

VOLATILE = frozenset({"DATE", "CHECKSUM", "DATASUM", "FILENAME"})  # cards, and columns of HDRTAB
VOLATILE_BRANCHES = frozenset({"asdf_library", "history", "cal_logs", "_fits_hash"})  # of a tree
VOLATILE_META = frozenset({"date", "filename"})  # below "meta" in a tree
ASDF_BLOCK_MAGIC = b"\xd3BLK"


def is_volatile(key: str, place: tuple[str, ...]) -> bool:
    """Whether a key of an ASDF tree, at `place` in it, is no science."""
    return key in VOLATILE_BRANCHES or (place == ("meta",) and key in VOLATILE_META)


def asdf_content(hdu: Any) -> bytes | None:
    """The ASDF file that the HDU of a FITS file holds; None if it holds none."""
    if hdu.name == "ASDF" and "ASDF_METADATA" in hdu.columns.names:
        return hdu.data["ASDF_METADATA"].tobytes()
    return None


def asdf_blocks(content: bytes) -> Iterator[bytes]:
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


def check_end(last: Any, file: BinaryIO) -> None:
    """OSError unless a FITS file ends with `last`, the last HDU that astropy finds in it.

    astropy drops an HDU whose header is cut, with a warning only.
    """
    place = last.fileinfo()
    end, size = place["datLoc"] + place["datSpan"], file.seek(0, 2)
    if end != size:
        raise OSError(f"the last HDU that can be read ends at byte {end} of {size}")
