"""Files of the user's own that parameters name: override_*, catalogues, masks, backgrounds.

They count by name and content, wherever they stand: the key holds their sha256, the run their path.
A parameter is called by its full name here: "dark_current.override_dark".
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import cached_digest, sha256_of
from jwmirror.core.model import Derivation
from jwmirror.pipeline.usercode import reftype as reftypes

Found = TypeVar("Found")
OVERRIDE = "override_"
NAMED = frozenset(  # other parameters of jwst that name files to be read
    [
        "abs_refcat",
        "affine2d",
        "bandpass",
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
LIST = "catfile"  # names a text file that lists further files: one for each exposure
NO_FILE = {"affine2d": "commissioning"}  # a built-in that stands where a file may
NOT_ANY = "N/A"  # stpipe's word for: without this reference
GAIA = re.compile(r"\s*GAIA\w*\s*", re.IGNORECASE)  # catalogues that are asked for over the network


def names_file(name: str, value: Any) -> bool:
    """Whether a parameter's value names a file of the user's; `name` without its step."""
    if not isinstance(value, str) or not value.strip() or value.strip() == NOT_ANY:
        return False
    if name == "abs_refcat" and GAIA.fullmatch(value):
        return False
    return (name.startswith(OVERRIDE) or name in NAMED) and value != NO_FILE.get(name)


def absolute_path(value: str, base: Path) -> Path:
    """Where the file is; a relative path starts at `base`."""
    return Path(os.path.join(base, os.path.expanduser(value.strip()))).absolute()


# ---- in a pipeline's parameters --------------------------------------------------------------


def with_absolute_paths(parameters: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The parameters with absolute paths."""
    return _mapped(parameters, lambda value: str(absolute_path(value, base)))


def with_bare_names(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the files' bare names: what of them is in a key."""
    return _mapped(parameters, lambda value: Path(value).name)


def file_paths(parameters: Mapping[str, Any]) -> dict[str, Path]:
    """The files that (placed) parameters name, by full name; of a list with [0], [1]...

    And the catalogues that a catfile lists, used or not: tweakreg.catfile[jw..._cal.fits].
    """
    named = {name: Path(value) for name, value in _files(parameters)}
    lists = {name: path for name, path in named.items() if name.endswith(LIST)}
    return named | {
        f"{name}[{exposure}]": catalogue
        for name, path in lists.items()
        for exposure, catalogue in _read(name, path, _catalogues)
    }


def file_digests(parameters: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Bare name and sha256 of each file; CalibrationError for one that cannot be read."""
    return {
        name: (path.name, _read(name, path, cached_digest))
        for name, path in file_paths(parameters).items()
    }


def check_files(derivation: Derivation) -> None:
    """CalibrationError unless the files are, at this moment, those in the key."""
    for name, path in file_paths(derivation.parameters).items():
        expected = derivation.references.get(name, ("", ""))[1]
        found = _read(name, path, sha256_of)
        if found != expected:
            raise CalibrationError(
                f"{path} ({name}) is not the file that was planned with: sha256 expected "
                f"{expected[:12] or 'none'}, found {found[:12]}; nothing was kept; run again, "
                "so that it is planned anew."
            )


def check_offline(parameters: Mapping[str, Any], source: str) -> None:
    """CalibrationError if a step would ask for a catalogue over the network while it runs.

    `source`: the parameter reference that says so, if one does.
    """
    for step, values in parameters.get("steps", {}).items():
        value = values.get("abs_refcat")
        if isinstance(value, str) and GAIA.fullmatch(value):
            raise CalibrationError(
                f"{step}.abs_refcat is {value} (by {source or 'the recipe'}), which "
                "is asked for over the network while the pipeline runs, and compute nodes have "
                f"none; set {step}.abs_refcat in the recipe: to a catalogue file (columns RA, DEC "
                "in degrees), or to '' for no absolute alignment."
            )


def _mapped(parameters: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The parameters with `change` made to each value that names a file."""

    def changed(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: changed(key, each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [changed(name, each) for each in value]
        return change(value) if names_file(name, value) else value

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


def _catalogues(path: Path) -> list[tuple[str, Path]]:
    """Exposure and catalogue in each line of a catfile; catalogues are looked for beside it.

    ValueError for a line with more words, as of tweakreg.
    """
    lines = (line.split() for line in path.read_text(errors="replace").splitlines())
    listed = [words for words in lines if len(words) > 1 and words[0][0] != "#"]
    for words in listed:
        if len(words) > 2:
            raise ValueError(f"expected a file and its catalogue in a line, found {words}")
    return [(exposure, path.parent / name) for exposure, name in listed]


def _read(name: str, path: Path, read: Callable[[Path], Found]) -> Found:
    try:
        return read(path)
    except (OSError, ValueError) as err:
        why = getattr(err, "strerror", None) or err
        raise CalibrationError(f"{name}: {path} cannot be read: {why}.") from err


# ---- mistakes --------------------------------------------------------------------------------


def file_mistakes(name: str, value: Any, place: str, base: Path) -> Iterator[str]:
    """What is wrong with a value that is to name a file; nothing for any other parameter."""
    if isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from file_mistakes(name, each, f"{place}[{i}]", base)
    elif name == "abs_refcat" and isinstance(value, str) and GAIA.fullmatch(value):
        yield (
            f"{place}: found {value!r}, which is asked for over the network while the pipeline "
            "runs, and compute nodes have none; expected a catalogue file (columns RA, DEC in "
            "degrees, ECSV or FITS): save the part of the catalogue that you need, and name it."
        )
    elif names_file(name, value):
        yield from _unreadable(name, value, place, base)


def _unreadable(name: str, value: str, place: str, base: Path) -> Iterator[str]:
    path = absolute_path(value, base)
    expected = "a file that can be read"
    if name.startswith(OVERRIDE):
        expected += f", or {NOT_ANY} for none"
    try:
        path.open("rb").close()
    except OSError as err:
        yield f"{place}: found {value!r}, expected {expected}; {path}: {err.strerror}."
        return
    if name.startswith(OVERRIDE):
        yield from _not_of_type(name.removeprefix(OVERRIDE), value, place, path)
    elif name == "abs_refcat":
        yield from _no_catalogue(value, place, path)
    elif name == LIST:
        yield from _unlisted(value, place, path)


def _unlisted(value: str, place: str, path: Path) -> Iterator[str]:
    """Whether each line of a catfile names a catalogue that is there."""
    try:
        listed = _catalogues(path)
    except ValueError as err:
        yield f"{place}: found {value!r}; {path}: {err}."
        return
    for exposure, catalogue in listed:
        if not catalogue.is_file():
            yield f"{place} ({value}): {exposure}: expected a catalogue; there is no {catalogue}."


def _not_of_type(reftype: str, value: str, place: str, path: Path) -> Iterator[str]:
    """Whether a reference file is whole, and of the type that it is to stand for."""
    try:
        found = reftypes.reftype_of(path)
    except (OSError, reftypes.UnreadableError) as err:
        yield f"{place}: found {value!r}, expected a reference file; {path}: {err}."
        return
    if found not in ("", reftype):
        yield (
            f"{place}: found {value!r}, which calls itself a {found} reference (REFTYPE), expected "
            f"a {reftype} reference; name it as {OVERRIDE}{found}, or correct the file."
        )


def _no_catalogue(value: str, place: str, path: Path) -> Iterator[str]:
    """Whether a catalogue of stars can be read as tweakreg reads it, and has what that needs."""
    from astropy.table import Table

    try:
        columns = Table.read(path).colnames
    except Exception as err:  # astropy raises many kinds
        said = " ".join(str(err).split())[:200]
        yield f"{place}: found {value!r}, expected a catalogue; {path}: {said}."
        return
    if missing := [column for column in ("RA", "DEC") if column not in columns]:
        yield (
            f"{place}: found {value!r}, which has no column {' and no '.join(missing)}; "
            f"expected RA and DEC in degrees, so written; it has {', '.join(columns)}."
        )
