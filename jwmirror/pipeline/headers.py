"""Header values of an exposure, for CRDS and for criteria: read once and stored as JSON."""

from functools import lru_cache
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jwmirror.core import model as records
from jwmirror.core.errors import CalibrationError, failures_as
from jwmirror.core.files import path_below
from jwmirror.core.matching import criteria_of, matches
from jwmirror.core.model import Entry, Recipe, canonical

HEADER_SCHEME = 1  # version of crds_header: 1 more with each change of what it returns
PREFIX = "meta."
NAMES = {  # key of a where-block: CRDS parameter
    "program": "meta.observation.program_number",
    "observation": "meta.observation.observation_number",
    "instrument": "meta.instrument.name",
    "detector": "meta.instrument.detector",
    "filter": "meta.instrument.filter",
    "pupil": "meta.instrument.pupil",
    "grating": "meta.instrument.grating",
    "exp_type": "meta.exposure.type",
    "subarray": "meta.subarray.name",
    "readpatt": "meta.exposure.readpatt",
    "visit": "meta.observation.visit_number",
    "exposure": "meta.observation.exposure_number",
    "file": "meta.filename",
}
LENGTHS = (
    *("meta.subarray.xsize", "meta.subarray.ysize", "meta.exposure.ngroups"),
    *("meta.exposure.nints", "meta.exposure.integration_start", "meta.exposure.integration_end"),
)
TARGET_TYPE = "meta.target.type"  # TARGTYPE: FIXED, MOVING...
SHUTTERS_FILE = "meta.instrument.msa_metadata_file"  # MSAMETFL
IRS2 = "IRS2"  # in the name of a readout pattern
IRS2_ROWS = 3200  # rows of a raw NIRSpec IRS2 frame: 2048, and interleaved reference pixels


def crds_header(path: Path, filename: str = "") -> str:
    """Return an exposure's CRDS parameters as canonical JSON ({meta.instrument.name: NIRCAM...}).

    `filename` is its name if the path has another one.

    Raises:
        CalibrationError: the file cannot be read, or its shape is not that of its header.
    """
    filename = filename or Path(path).name
    with failures_as(lambda why: CalibrationError(f"{filename}: jwst cannot open it: {why}")):
        found, shape = _read(Path(path), filename)
        values = {name: value for name, value in found.items() if _is_plain(name, value)}
        _check_numbers(values)
        if filename.endswith("_uncal.fits"):
            _check_shape(filename, values, shape)
        return canonical(values)


def _read(path: Path, filename: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Return CRDS parameters and the shape of SCI; stdatamodels needs the file's real name."""
    from astropy.io import fits
    from stdatamodels.jwst import datamodels

    with TemporaryDirectory() as folder:
        named = path_below(Path(folder), filename, "a product", CalibrationError)
        named.symlink_to(path.absolute())
        with fits.open(named) as hdus:
            shape = hdus["SCI"].shape if "SCI" in hdus else ()
        with datamodels.open(named) as model:
            return model.get_crds_parameters(), tuple(shape)


@lru_cache(maxsize=65536)
def parse_header(header: str) -> dict[str, Any]:
    """Return the parameters of a header. The dict is shared: do not change it."""
    return records.parse(header, dict)


def header_value(header: str, name: str) -> str:
    """Return the value for a key of criteria (detector, filter...); "" if it has none."""
    return str(parse_header(header).get(NAMES[name], ""))


def is_moving_target(header: str) -> bool:
    """Return whether an exposure follows a moving target, as jwst.lib.exposure_types decides."""
    return str(parse_header(header).get(TARGET_TYPE, "")).lower() == "moving"


def is_selected(recipe: Recipe, entry: Entry) -> bool:
    """Return whether an exposure's file belongs to a recipe: its programs, and its selection.

    A value that the header lacks is taken from MAST's listing.
    """

    def value_of(key: str) -> str:
        listed = getattr(entry.product, key, None) or ""
        listed = listed.removeprefix("o") if key == "observation" else listed
        return (header_value(entry.header, key) if entry.header else "") or listed

    in_program = entry.product is not None and recipe.takes(entry.product.program)
    return in_program and matches(criteria_of(recipe.select), value_of)


def _is_plain(name: str, found: Any) -> bool:
    finite = not isinstance(found, float) or isfinite(found)
    return name.startswith(PREFIX) and isinstance(found, str | int | float | bool) and finite


def _check_numbers(header: dict[str, Any]) -> None:
    """Raise ValueError unless the lengths of axes are numbers, with which plans calculate."""
    for name in LENGTHS:
        if not isinstance(header.get(name, 0), int | float):
            raise ValueError(f"expected a number as {name}, found {header[name]!r:.40}")


def _check_shape(filename: str, header: dict[str, Any], shape: tuple[int, ...]) -> None:
    expected = _expected_shape(header)
    if len(shape) != 4 or any(
        want is not None and got not in want for want, got in zip(expected, shape, strict=True)
    ):
        raise CalibrationError(
            f"{filename}: pixels were cut or added: expected by the header "
            f"{_describe_shape(expected)} (integrations, groups, rows, columns), found "
            f"{' x '.join(map(str, shape)) or 'no data'}; fetch it again, or ask MAST's help desk."
        )


def _expected_shape(header: dict[str, Any]) -> tuple[tuple[int, ...] | None, ...]:
    """Return the lengths that each axis may have; None where the header has none."""
    if header.get("meta.subarray.num_superstripe"):
        return (None,) * 4
    get = header.get
    first, last = get("meta.exposure.integration_start"), get("meta.exposure.integration_end")
    of_segment = (last - first + 1,) if first and last else ()  # a segment is a part of all
    rows = _axis(get("meta.subarray.ysize"))
    columns = _axis(get("meta.subarray.xsize"))
    if IRS2 in str(get("meta.exposure.readpatt", "")).upper():
        rows, columns = rows and (*rows, IRS2_ROWS), columns and (*columns, IRS2_ROWS)
    integrations = of_segment or _axis(get("meta.exposure.nints"))
    return integrations, _axis(get("meta.exposure.ngroups")), rows, columns


def _axis(length: int | None) -> tuple[int, ...] | None:
    return (length,) if length else None


def _describe_shape(expected: tuple[tuple[int, ...] | None, ...]) -> str:
    return " x ".join(" or ".join(map(str, axis)) if axis else "any" for axis in expected)
