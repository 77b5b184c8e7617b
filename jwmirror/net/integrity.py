"""Whether a file on disk is whole and of the kind that its name promises."""

import json
import math
from pathlib import Path
from typing import BinaryIO

from jwmirror.core.errors import RejectedError

HEAD = 1024  # bytes looked at for signs of an error page
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")


def check_readable(path: Path, filename: str) -> None:
    """Raise RejectedError unless the file at `path` reads as what `filename` promises.

    FITS: every header and data segment lies within the file, which ends with the last block.
    JSON: an object. ECSV and CSV: text. Nothing may be empty or an error page.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        raise RejectedError(filename, "content", "some bytes", "an empty file")
    if head.lstrip().lower().startswith(_PAGES):
        raise RejectedError(filename, "content", "a data file", f"a web page: {_shown(head)}")
    check = _CHECKS.get(filename.rpartition(".")[2].lower())
    if check:
        check(path, filename)


def _check_fits(path: Path, filename: str) -> None:
    if fault := fits_fault(path):
        raise RejectedError(filename, *fault)


def _check_json(path: Path, filename: str) -> None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as err:
        raise RejectedError(filename, "JSON", "one object", str(err)) from err
    if not isinstance(content, dict):
        raise RejectedError(filename, "JSON", "an object", type(content).__name__)
    if filename.endswith("_asn.json") and "products" not in content:
        raise RejectedError(filename, "association", "its products", f"{sorted(content)[:5]}")


def _check_text(path: Path, filename: str) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as err:
        raise RejectedError(filename, "text", "UTF-8", str(err)) from err
    if not text.strip() or text.lstrip().startswith("{") or "\0" in text:
        raise RejectedError(filename, "text", "a table", _shown(text.encode()))


def _check_ecsv(path: Path, filename: str) -> None:
    _check_text(path, filename)
    with open(path, "rb") as file:
        start = file.read(7)
    if start != b"# %ECSV":
        raise RejectedError(filename, "start of ECSV", "# %ECSV", _shown(start))


_CHECKS = {
    "fits": _check_fits,
    "json": _check_json,
    "csv": _check_text,
    "ecsv": _check_ecsv,
}


def _shown(data: bytes) -> str:
    return repr(data[:40].decode("utf-8", "replace"))


BLOCK, CARD = 2880, 80  # bytes
LONGEST = 4096  # blocks of one header; more is not a header
_SIZING = (b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT", b"GROUPS")


def fits_fault(path: Path) -> tuple[str, str, str] | None:
    """What is wrong with the structure of a FITS file: what, expected, found; None if nothing."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(9)
        if start != b"SIMPLE  =":
            return "start of FITS", "SIMPLE  =", repr(start.decode("ascii", "replace"))
        at = number = 0
        while at < size:
            file.seek(at)
            try:
                at = _end_of_unit(file, at, is_first=number == 0)
            except ValueError as err:
                return "FITS structure", "whole HDUs", f"in HDU {number}: {err}"
            number += 1
    if at != size:
        return "end of the last HDU", f"byte {size}, the file's end", f"byte {at}"
    return None


def _end_of_unit(file: BinaryIO, at: int, *, is_first: bool) -> int:
    """The byte after the header and data that start at `at`; ValueError if there is no header."""
    keys: dict[bytes, bytes] = {}
    for number in range(LONGEST):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise ValueError("the header has no END")
        if number == 0 and not block.startswith(b"SIMPLE  =" if is_first else b"XTENSION="):
            raise ValueError(f"expected a header, got {block[:16].decode('ascii', 'replace')!r}")
        if _read_cards(block, keys):
            return at + (number + 1) * BLOCK + _padded(_data_size(keys))
    raise ValueError(f"the header has no END within {LONGEST} blocks")


def _read_cards(block: bytes, keys: dict[bytes, bytes]) -> bool:
    """Note the cards that say how large the data are; whether the header ends in this block."""
    for start in range(0, BLOCK, CARD):
        name = block[start : start + 8].rstrip()
        if name == b"END":
            return True
        if name.startswith(_SIZING) and block[start + 8 : start + 10] == b"= ":
            keys[name] = block[start + 10 : start + CARD].partition(b"/")[0].strip()
    return False


def _data_size(keys: dict[bytes, bytes]) -> int:
    """Bytes of data that a header announces, as the FITS standard (4.4.1.1 and 6.1) has it."""
    axes = [_number(keys, b"NAXIS%d" % n) for n in range(1, _number(keys, b"NAXIS") + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and keys.get(b"GROUPS") == b"T":
        axes = axes[1:]
    count = math.prod(axes) + _number(keys, b"PCOUNT", 0)
    return abs(_number(keys, b"BITPIX")) // 8 * _number(keys, b"GCOUNT", 1) * count


def _number(keys: dict[bytes, bytes], name: bytes, default: int | None = None) -> int:
    text = keys.get(name)
    if text is None and default is not None:
        return default
    try:
        value = int(text or b"")
    except ValueError:
        value = -1
    if value < 0 and name != b"BITPIX":
        raise ValueError(f"{name.decode()} is {(text or b'missing').decode('ascii', 'replace')}")
    return value


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
