"""Catalogues of the user, read by the functions of jwst and stcal that steps read them with."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jwmirror.core.errors import plain_text
from jwmirror.core.files import read_bytes

T = TypeVar("T")
LONGEST = 300  # characters of an error's text that are passed on
SET = re.compile(r"\{('[^{}]*')\}")  # of names, in an error's text


class CatalogueError(ValueError):
    """A step would not read a catalogue; the message is the reason."""


def read_reference_catalogue(path: Path) -> tuple[str, ...]:
    """Return the columns of a catalogue of stars for absolute alignment (abs_refcat), if it is one.

    RA and DEC in degrees, in any case, or sky_centroid; any format that astropy recognises.

    Raises:
        CatalogueError: tweakreg would not read it, or could not use it.
    """
    from astropy.table import Table
    from stcal.tweakreg.tweakreg import _parse_sky_centroid

    stars = _read(path, lambda: _parse_sky_centroid(Table.read(path)))
    if not len(stars):
        raise CatalogueError(f"{path}: it has no rows")
    if texts := [name for name in ("RA", "DEC") if stars[name].dtype.kind not in "fiu"]:
        found = f"column {texts[0]} has {str(stars[texts[0]][0])!r}"
        raise CatalogueError(f"{path}: {found}, which is no number of degrees")
    return tuple(stars.colnames)


def read_source_catalogue(path: Path) -> tuple[str, ...]:
    """Return the columns of a catalogue of an exposure's sources (in a catfile), if it is one.

    Raises:
        CatalogueError: tweakreg would not read it.
    """
    from astropy.table import Table
    from jwst.tweakreg.tweakreg_step import _rename_catalog_columns

    return _read(path, lambda: tuple(_rename_catalog_columns(Table.read(path)).colnames))


def read_grism_catalogue(path: Path) -> int:
    """Return the number of sources in a catalogue for grism exposures (sourcecat), if it is one.

    Raises:
        CatalogueError: spec2 would not read it.
    """
    from jwst.assign_wcs.util import get_object_info

    return _read(path, lambda: len(get_object_info(str(path))))


def listed_catalogues(path: Path) -> list[tuple[str, Path]]:
    """Return exposure and catalogue of each line of a catfile; paths start in its folder.

    Raises:
        OSError: it cannot be read.
        ValueError: tweakreg would not read it.
    """
    from jwst.tweakreg.tweakreg_step import _parse_catfile

    read_bytes(path)  # not of a pipe or device, and not of a huge file
    listed = _parse_catfile(str(path)) or {}
    return [(exposure, Path(catalogue)) for exposure, catalogue in listed.items() if catalogue]


def _read(path: Path, read: Callable[[], T]) -> T:
    from astropy.io.registry import IORegistryError

    try:
        return read()
    except IORegistryError as err:  # its text lists the formats of astropy
        expected = "write it as ECSV, FITS or CSV"
        raise CatalogueError(f"{path}: name and content show no format; {expected}") from err
    except UnicodeDecodeError as err:
        raise CatalogueError(f"{path}: it is not text, but a table in ECSV was expected") from err
    except Exception as err:  # astropy raises many kinds
        text = plain_text(err).strip("'\"")  # a KeyError quotes its text
        raise CatalogueError(f"{path}: {SET.sub(_sorted_names, text)[:LONGEST]}") from err


def _sorted_names(found: re.Match[str]) -> str:
    """Return the names in a set as jwst prints it, whose order is arbitrary."""
    return ", ".join(sorted(name.strip("' ") for name in found[1].split(",")))
