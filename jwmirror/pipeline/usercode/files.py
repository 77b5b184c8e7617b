"""The user's files that parameters name: override_*, catalogues, masks, backgrounds.

The key contains name and sha256 of a file. The path is used only at run time, so moving a file does
not change the key. Parameters have their full names here: "dark_current.override_dark".
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from jwmirror.core.errors import CalibrationError, plain_text
from jwmirror.core.files import cached_digest, open_regular, sha256_of
from jwmirror.core.model import Derivation
from jwmirror.pipeline.gaia.catalogues import PARAMETER, catalogue_mistake, is_catalogue
from jwmirror.pipeline.usercode.catalogues import (
    CatalogueError,
    listed_catalogues,
    read_reference_catalogue,
    read_source_catalogue,
)
from jwmirror.pipeline.usercode.reftype import UnreadableError, labels_of

T = TypeVar("T")
OVERRIDE = "override_"
BETWEEN_FILES = "between_files"  # of a pipeline: what functions between pipelines read
NAMED = frozenset(  # other parameters of jwst that name files to be read
    [
        PARAMETER,
        "affine2d",
        "bandpass",
        BETWEEN_FILES,
        "bkg_list",
        "catfile",
        "offset_file",
        "output_wcs",
        "persistence_array_file",
        "skylist",
        "soss_estimate",
        "soss_wave_grid_in",
        "ta_file",
        "user_background",
        "user_mask",
        "user_supplied_dq",
        "user_supplied_flat",
        "user_supplied_reffile",
        "wfss_mask",
    ]
)
LIST = "catfile"  # names a text file that lists a catalogue for each exposure
NO_FILE = {"affine2d": "commissioning"}  # built-in values of parameters that name files
NOT_ANY = "N/A"  # for stpipe: no reference of this type


def names_file(name: str, value: Any) -> bool:
    """Return whether a parameter's value names a file of the user; `name` is without its step."""
    if not isinstance(value, str) or not value.strip() or value.strip() == NOT_ANY:
        return False
    if name == PARAMETER and is_catalogue(value):
        return False
    return (name.startswith(OVERRIDE) or name in NAMED) and value != NO_FILE.get(name)


def absolute_path(value: str, base: Path) -> Path:
    """Return the path of a file; a relative path starts at `base`."""
    return Path(os.path.join(base, os.path.expanduser(value.strip()))).absolute()


# ---- in a pipeline's parameters --------------------------------------------------------------


def with_absolute_paths(parameters: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return the parameters with absolute paths."""
    return map_texts(
        parameters,
        lambda name, text: str(absolute_path(text, base)) if names_file(name, text) else text,
    )


def with_bare_names(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with file names instead of paths, as they are in a key."""
    return map_texts(
        parameters, lambda name, text: Path(text).name if names_file(name, text) else text
    )


def file_paths(parameters: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files that parameters with absolute paths name, by full name; lists as name[0].

    The catalogues that a catfile lists are included: tweakreg.catfile[jw..._cal.fits].
    """
    named = {name: Path(value) for name, value in _files(parameters)}
    lists = {name: path for name, path in named.items() if name.endswith(LIST)}
    return named | {
        f"{name}[{exposure}]": catalogue
        for name, path in lists.items()
        for exposure, catalogue in _read(name, path, listed_catalogues)
    }


def file_digests(parameters: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the name and sha256 of each file; raise CalibrationError if it cannot be read."""
    return {
        name: (path.name, _read(name, path, cached_digest))
        for name, path in file_paths(parameters).items()
    }


def check_files(derivation: Derivation) -> None:
    """Raise CalibrationError unless parameters and inputs name the same files as in the key."""
    for name, path in file_paths(derivation.parameters).items():
        planned = derivation.references.get(name, ("", ""))[1]
        check_unchanged(f"{path} ({name})", planned, _read(name, path, sha256_of))
    for item in (item for item in derivation.inputs if item.path):
        name, path = f"{item.role} {item.name}", Path(item.path)
        check_unchanged(f"{path} ({name})", item.sha256, _read(name, path, sha256_of))


def check_unchanged(source: str, planned: str, found: str) -> None:
    """Raise CalibrationError unless a file or hook of the user has the sha256 in the key."""
    if found != planned:
        raise CalibrationError(
            f"{source} has changed since the plan was made: sha256 expected "
            f"{planned[:12] or 'none'}, found {found[:12] or 'none'}; nothing was stored; run "
            "again to plan with the present content."
        )


def map_texts(parameters: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    """Return the parameters with each text, also in lists and steps, as change(name, text)."""

    def changed(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return map_texts(value, change)
        if isinstance(value, list | tuple):
            return [changed(name, element) for element in value]
        return change(name, value) if isinstance(value, str) else value

    return {name: changed(name, value) for name, value in parameters.items()}


def _files(parameters: Mapping[str, Any], step: str = "") -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            for inner, content in value.items() if name == "steps" else ():
                yield from _files(content, f"{inner}.")
        elif isinstance(value, list | tuple):
            yield from (
                (f"{step}{name}[{i}]", each)
                for i, each in enumerate(value)
                if names_file(name, each)
            )
        elif names_file(name, value):
            yield f"{step}{name}", value


# ---- content ---------------------------------------------------------------------------------


def _read(name: str, path: Path, read: Callable[[Path], T]) -> T:
    try:
        return read(path)
    except (OSError, ValueError) as err:
        why = getattr(err, "strerror", None) or err
        raise CalibrationError(f"{name}: {path} cannot be read: {why}.") from err


# ---- mistakes --------------------------------------------------------------------------------


def file_mistakes(name: str, value: Any, place: str, base: Path) -> Iterator[str]:
    """Yield the mistakes in a parameter's value if it names a file."""
    if isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from file_mistakes(name, each, f"{place}[{i}]", base)
    elif name == PARAMETER and is_catalogue(value):
        if mistake := catalogue_mistake(value):
            yield f"{place}: {mistake}."
    elif names_file(name, value):
        yield from _unreadable(name, value, place, base)


def _unreadable(name: str, value: str, place: str, base: Path) -> Iterator[str]:
    path = absolute_path(value, base)
    expected = "a file that can be read"
    if name.startswith(OVERRIDE):
        expected += f", or {NOT_ANY} for none"
    try:
        open_regular(path).close()
    except OSError as err:
        yield f"{place}: found {value!r}, expected {expected}; {path}: {err.strerror}."
        return
    if name.startswith(OVERRIDE):
        yield from _not_of_type(name.removeprefix(OVERRIDE), value, place, path)
    elif name == PARAMETER:
        yield from _no_catalogue(value, place, path)
    elif name == LIST:
        yield from _unlisted(value, place, path)


def _unlisted(value: str, place: str, path: Path) -> Iterator[str]:
    """Yield the lines of a catfile whose catalogue does not exist, or cannot be used."""
    try:
        listed = listed_catalogues(path)
    except ValueError as err:
        why = f"expected a file and its catalogue in a line; {path}: {plain_text(err)}"
        yield f"{place}: found {value!r}, {why}"
        return
    missing = [(exposure, catalogue) for exposure, catalogue in listed if not catalogue.is_file()]
    if missing:
        exposure, catalogue = missing[0]
        others = f", nor {len(missing) - 1} others" if len(missing) > 1 else ""
        why = f"expected a catalogue; there is no {catalogue}{others}"
        yield f"{place} ({value}): {exposure}: {why}."
    for exposure, catalogue in (each for each in listed if each not in missing):
        try:
            read_source_catalogue(catalogue)
        except CatalogueError as err:
            yield f"{place} ({value}): {exposure}: expected a catalogue of sources; {err}"


def _not_of_type(reftype: str, value: str, place: str, path: Path) -> Iterator[str]:
    """Yield a mistake if a reference file cannot be read, or is of another type."""
    try:
        found = labels_of(path).reftype
    except (OSError, UnreadableError) as err:
        yield f"{place}: found {value!r}, expected a reference file; {path}: {plain_text(err)}."
        return
    if found not in ("", reftype):
        yield (
            f"{place}: found {value!r}, whose REFTYPE is {found}, expected "
            f"a {reftype} reference; name it as {OVERRIDE}{found}, or correct the file."
        )


def _no_catalogue(value: str, place: str, path: Path) -> Iterator[str]:
    """Yield a mistake unless tweakreg can read a catalogue of stars."""
    try:
        read_reference_catalogue(path)
    except CatalogueError as err:
        yield (
            f"{place}: found {value!r}, expected a catalogue with columns RA and DEC, in degrees, "
            f"or sky_centroid; {err}"
        )
