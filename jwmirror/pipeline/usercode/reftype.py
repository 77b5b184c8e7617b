"""The type and instrument of a reference file, read from FITS, ASDF or JSON."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jwmirror.core.files import open_regular
from jwmirror.core.fits import check_asdf_file
from jwmirror.core.jsonio import load_json

FITS, ASDF, JSON, GZIP = b"SIMPLE", b"#ASDF", b"{", b"\x1f\x8b"
LONGEST = 6  # bytes that distinguish the formats


class UnreadableError(Exception):
    """A file is not a complete reference file; the message is the reason."""


class Labels(NamedTuple):
    """The type and instrument that a reference file names; "" if it names none."""

    reftype: str  # in lower case
    instrument: str  # in upper case


def labels_of(path: Path) -> Labels:
    """Return the labels in a reference file.

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
        reftype, instrument = readers[0](path)
        return Labels(reftype.strip().lower(), instrument.strip().upper())
    except OSError:
        raise
    except Exception as err:  # astropy, asdf and json raise many kinds
        line = " ".join(str(err).split())[:200]
        raise UnreadableError(f"{type(err).__name__}: {line}") from err


def _in_fits(path: Path) -> Labels:
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning, AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        warnings.filterwarnings("error", message=".*truncated", category=AstropyUserWarning)
        with fits.open(path, memmap=True) as hdus:
            header, *_ = [hdu.header for hdu in hdus]  # reads all, so that a cut is noticed
            return Labels(str(header.get("REFTYPE", "")), str(header.get("INSTRUME", "")))


def _in_asdf(path: Path) -> Labels:
    import asdf

    check_asdf_file(path)
    with asdf.open(path, lazy_load=True) as file:
        return _in_tree(file.tree)


def _in_json(path: Path) -> Labels:
    return _in_tree(load_json(path))


def _in_tree(tree: Any) -> Labels:
    """Return the labels under meta in a tree, or at its top level as in JSON references."""
    if not isinstance(tree, Mapping):
        return Labels("", "")
    meta = _mapping(tree.get("meta"))
    reftype = meta.get("reftype") or tree.get("reftype") or ""
    instrument = _mapping(meta.get("instrument")).get("name") or ""
    return Labels(str(reftype), str(instrument))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


_READERS: dict[tuple[bytes, ...], Callable[[Path], Labels]] = {
    (FITS, GZIP): _in_fits,
    (ASDF,): _in_asdf,
    (JSON,): _in_json,
}
