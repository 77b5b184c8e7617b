"""The type of a reference file, read from FITS, ASDF or JSON."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.files import open_regular
from jwmirror.core.fits import check_asdf_file
from jwmirror.core.jsonio import load_json

FITS, ASDF, JSON, GZIP = b"SIMPLE", b"#ASDF", b"{", b"\x1f\x8b"
LONGEST = 6  # bytes that distinguish the formats


class UnreadableError(Exception):
    """A file is not a complete reference file; the message is the reason."""


def reftype_of(path: Path) -> str:
    """Return the type in a reference file, in lower case; "" if it has none.

    Reads the headers of a FITS file, the tree of an ASDF file, and all of a JSON file.

    Raises:
        OSError: the file cannot be opened.
        UnreadableError: it has none of these formats, or is truncated.
    """
    with open_regular(path) as file:
        start = file.read(LONGEST)
    readers = [read for begins, read in _READERS.items() if start.lstrip().startswith(begins)]
    if not readers:
        raise UnreadableError("it is neither FITS nor ASDF nor JSON" if start else "it is empty")
    try:
        return readers[0](path).strip().lower()
    except OSError:
        raise
    except Exception as err:  # astropy, asdf and json raise many kinds
        line = " ".join(str(err).split())[:200]
        raise UnreadableError(f"{type(err).__name__}: {line}") from err


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

    check_asdf_file(path)
    with asdf.open(path, lazy_load=True) as file:
        return _in_tree(file.tree)


def _in_json(path: Path) -> str:
    return _in_tree(load_json(path))


def _in_tree(tree: Any) -> str:
    """Return meta.reftype of a tree, or reftype at its top level as in JSON references."""
    if not isinstance(tree, Mapping):
        return ""
    meta = tree.get("meta")
    found = meta.get("reftype") if isinstance(meta, Mapping) else None
    return str(found or tree.get("reftype") or "")


_READERS: dict[tuple[bytes, ...], Callable[[Path], str]] = {
    (FITS, GZIP): _in_fits,
    (ASDF,): _in_asdf,
    (JSON,): _in_json,
}
