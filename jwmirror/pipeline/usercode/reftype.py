"""What a reference file says of itself: FITS, ASDF or JSON, readable, and of which type."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FITS, ASDF, JSON, GZIP = b"SIMPLE", b"#ASDF", b"{", b"\x1f\x8b"
LONGEST = 6  # bytes that tell the formats apart


class UnreadableError(Exception):
    """A file that is no whole reference file; the text says what is wrong."""


def reftype_of(path: Path) -> str:
    """The type that a reference file gives itself, in small letters; "" if it gives none.

    Reads a FITS file's headers, an ASDF file's tree, the whole of a JSON file. Raises OSError, and
    UnreadableError for a file that is none of these or is cut short.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST)
    for beginnings, read in _READERS.items():
        if start.lstrip().startswith(beginnings):
            try:
                return read(path).strip().lower()
            except OSError:
                raise
            except Exception as err:  # astropy, asdf and json raise many kinds
                raise UnreadableError(f"{type(err).__name__}: {_line(err)}") from err
    raise UnreadableError("it is empty" if not start else "it is neither FITS nor ASDF nor JSON")


def _in_fits(path: Path) -> str:
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning, AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        warnings.filterwarnings("error", message=".*truncated", category=AstropyUserWarning)
        with fits.open(path, memmap=True) as hdus:
            return "".join(str(hdu.header.get("REFTYPE", "")) for hdu in [*hdus][:1])


def _in_asdf(path: Path) -> str:
    import asdf

    with asdf.open(path, lazy_load=True) as file:
        return _in_tree(file.tree)


def _in_json(path: Path) -> str:
    return _in_tree(json.loads(path.read_text()))


def _in_tree(tree: Any) -> str:
    """Of a tree: meta.reftype, or reftype at its top as in JSON references."""
    if not isinstance(tree, Mapping):
        return ""
    meta = tree.get("meta")
    found = meta.get("reftype") if isinstance(meta, Mapping) else None
    return str(found or tree.get("reftype") or "")


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]


_READERS: dict[tuple[bytes, ...], Callable[[Path], str]] = {
    (FITS, GZIP): _in_fits,
    (ASDF,): _in_asdf,
    (JSON,): _in_json,
}
