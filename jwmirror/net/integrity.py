"""Checks that a downloaded file is whole and of the kind that its name promises."""

from pathlib import Path

from jwmirror.core.errors import RejectedError, failures_as
from jwmirror.core.fits import FitsStructureError, check_structure
from jwmirror.core.jsonio import load_json

HEAD = 1024  # bytes searched for signs of an error page
MAX_TEXT = 1 << 28  # bytes; a catalogue of 100,000 sources has some 100 MB
ECSV = "# %ECSV"
ERROR_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")


def check_readable(path: Path, filename: str) -> None:
    """Raise RejectedError unless the file at `path` can be read as what `filename` promises.

    FITS: every header and data segment lies within the file, which ends with the last block.
    JSON: an object. ECSV and CSV: text. No file may be empty or an error page.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        raise RejectedError(filename, "content", "some bytes", "an empty file")
    if head.lstrip().lower().startswith(ERROR_PAGES):
        raise RejectedError(filename, "content", "a data file", f"a web page: {_shown(head)}")
    check = _CHECKS.get(filename.rpartition(".")[2].lower())
    if check:
        check(path, filename)


def _check_fits(path: Path, filename: str) -> None:
    try:
        check_structure(path)
    except FitsStructureError as err:
        raise RejectedError(filename, err.what, err.expected, err.found) from err


def _check_json(path: Path, filename: str) -> None:
    with failures_as(lambda why: RejectedError(filename, "JSON", "one object", why)):
        content = load_json(path)
    if not isinstance(content, dict):
        raise RejectedError(filename, "JSON", "an object", type(content).__name__)
    if filename.endswith("_asn.json") and "products" not in content:
        found = f"{sorted(content)[:5]!s:.200}"
        raise RejectedError(filename, "association", "its products", found)


def _check_text(path: Path, filename: str) -> str:
    """Return the text of a file; RejectedError if it is too large to be read in one."""
    if (size := path.stat().st_size) > MAX_TEXT:
        raise RejectedError(filename, "size in bytes", f"at most {MAX_TEXT} of text", size)
    with failures_as(lambda why: RejectedError(filename, "text", "UTF-8", why)):
        text = path.read_bytes().decode("utf-8")
    if not text.strip() or text.lstrip().startswith("{") or "\0" in text:
        raise RejectedError(filename, "text", "a table", _shown(text.encode()))
    return text


def _check_ecsv(path: Path, filename: str) -> None:
    start = _check_text(path, filename)[: len(ECSV)]
    if start != ECSV:
        raise RejectedError(filename, "start of ECSV", ECSV, _shown(start.encode()))


_CHECKS = {
    "fits": _check_fits,
    "json": _check_json,
    "csv": _check_text,
    "ecsv": _check_ecsv,
}


def _shown(data: bytes) -> str:
    return repr(data[:40].decode("utf-8", "replace"))
