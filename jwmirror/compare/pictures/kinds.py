"""What is drawn of each kind of product, by its suffix."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jwmirror.compare.fitsfiles import is_image, opened_hdus
from jwmirror.compare.pictures.alignment import aligned, orientation
from jwmirror.compare.pictures.builder import Drawing, unit_of
from jwmirror.compare.pictures.lightcurves import draw_light_curves
from jwmirror.compare.pictures.pairing import (
    CUBES,
    LIGHT_CURVES,
    MOSAICS,
    SPECTRA,
    is_of_exposure,
    suffix_of,
)
from jwmirror.compare.pictures.panels import (
    describe,
    draw_histogram,
    draw_maps,
    draw_strip,
    is_long,
)
from jwmirror.compare.pictures.pixels import checked_image, flag_changes, read_pair
from jwmirror.compare.pictures.spectra import MOST, draw_spectra

MOSAIC_SIDE, CUBE_SIDE, THUMBNAIL_SIDE = 900, 280, 200  # pixels of a picture
ENLARGED_SIDE = 600  # of a small mosaic
MOST_SLITS = 50  # the first with values is looked for among these
MOST_FLAGS = 3  # that are named beside a picture
LONGER = 3  # times as long is the picture of a long image: a subarray, or a slit
SCIENCE = "SCI"
Hdus = Mapping[str, Any]  # HDUs of astropy by name


def draw_kind(drawing: Drawing, old: Path, new: Path) -> None:
    """Draw two versions of a product. Any exception, if a file is not as jwst writes it."""
    filename = drawing.pair.filename
    suffix = suffix_of(filename)
    if suffix in LIGHT_CURVES:
        draw_light_curves(drawing, old, new)
        return
    with opened_hdus(old, filename) as old_hdus, opened_hdus(new, filename) as new_hdus:
        if suffix in SPECTRA:
            drawing.is_thumbnail = is_of_exposure(filename)
            draw_spectra(drawing, old_hdus, new_hdus, 1 if drawing.is_thumbnail else MOST)
        elif is_of_exposure(filename):
            _draw_exposure(drawing, old_hdus, new_hdus, on_sky=suffix in (*MOSAICS, *CUBES))
        elif suffix in CUBES:
            _draw_cube(drawing, old_hdus, new_hdus)
        elif suffix in MOSAICS:
            _draw_mosaic(drawing, old_hdus, new_hdus)
        else:
            _draw_exposure(drawing, old_hdus, new_hdus, on_sky=False)


def _draw_mosaic(drawing: Drawing, old_hdus: Hdus, new_hdus: Hdus) -> None:
    shapes = _shapes(old_hdus, new_hdus)
    alignment = aligned(old_hdus, new_hdus, *shapes, on_sky=True)
    result = read_pair(old_hdus, new_hdus, SCIENCE, alignment, MOSAIC_SIDE)
    unit = _unit(new_hdus)
    draw_maps(drawing, result.maps, unit, ENLARGED_SIDE)
    draw_histogram(drawing, result, unit)
    _state_inputs(drawing, old_hdus, new_hdus)
    describe(drawing, result, unit, new_hdus)
    drawing.note(*alignment.notes, orientation(new_hdus, shapes[1]), result.maps.in_words)


def _draw_cube(drawing: Drawing, old_hdus: Hdus, new_hdus: Hdus) -> None:
    shapes = _shapes(old_hdus, new_hdus)
    if {len(shape) for shape in shapes} != {3}:
        raise ValueError(f"expected cubes of 3 axes, found the axes {shapes}")
    alignment = aligned(old_hdus, new_hdus, *shapes, on_sky=True)
    plane = _central_plane(old_hdus, new_hdus) if all(alignment.size) else -1
    result = read_pair(old_hdus, new_hdus, SCIENCE, alignment, CUBE_SIDE, plane)
    unit = _unit(new_hdus)
    draw_maps(drawing, result.maps, unit, CUBE_SIDE, "mean over wavelength")
    if result.plane is not None:
        where = f"at {_wavelength(new_hdus, plane)}"
        draw_maps(drawing, result.plane, unit, CUBE_SIDE, where, "slice-")
    draw_histogram(drawing, result, unit)
    describe(drawing, result, unit, new_hdus)
    drawing.note(*alignment.notes, orientation(new_hdus, shapes[1]), result.planes_in_words)


def _draw_exposure(drawing: Drawing, old_hdus: Hdus, new_hdus: Hdus, on_sky: bool) -> None:
    name, images = _image_to_draw(old_hdus, new_hdus)
    shapes = _shapes(old_hdus, new_hdus, name)
    alignment = aligned(old_hdus, new_hdus, *shapes, on_sky=on_sky)
    side = THUMBNAIL_SIDE * (LONGER if is_long(*shapes[1][-2:]) else 1)
    result = read_pair(old_hdus, new_hdus, name, alignment, side)
    unit = _unit(new_hdus, name)
    draw_strip(drawing, result.maps, unit, side)
    describe(drawing, result, unit, new_hdus if on_sky else None)
    if (flags := flag_changes(old_hdus, new_hdus, name)) is not None:
        changed, drawing.flags = flags
        most = (f"{f.name} +{f.gained} \u2212{f.lost}" for f in drawing.flags[:MOST_FLAGS])
        drawing.state("pixels with other flags", f"{changed:,}", "; ".join(most))
    if images > 1:
        drawing.note(f"of the {images} images in the file, {name} is shown and measured")
    drawing.note(*alignment.notes, result.planes_in_words)


def _image_to_draw(old_hdus: Hdus, new_hdus: Hdus) -> tuple[str, int]:
    """Return the first of the science images (of slits) with values in both versions; their number.

    Without such an image, the first one.
    """
    names = [name for name in new_hdus if name.partition(",")[0] == SCIENCE]
    for name in names[:MOST_SLITS] if len(names) > 1 else ():
        images = [hdus[name] for hdus in (old_hdus, new_hdus) if name in hdus]
        if len(images) == 2 and all(map(_has_values, images)):
            return name, len(names)
    return next(iter(names), SCIENCE), len(names)


def _has_values(hdu: Any) -> bool:  # Any: an HDU of astropy
    return bool(is_image(hdu) and hdu.size and np.isfinite(hdu.section[:]).any())


def _shapes(
    old_hdus: Hdus, new_hdus: Hdus, name: str = SCIENCE
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    old, new = (checked_image(hdus, name).shape for hdus in (old_hdus, new_hdus))
    return old, new


def _unit(hdus: Hdus, name: str = SCIENCE) -> str:
    return unit_of(hdus[name].header.get("BUNIT"))


def _state_inputs(drawing: Drawing, old_hdus: Hdus, new_hdus: Hdus) -> None:
    """Say of how many exposures the mosaics are: the rows of their tables of headers."""
    tables = [hdus.get("HDRTAB") for hdus in (old_hdus, new_hdus)]
    if all(table is not None for table in tables):
        counts = [f"{int(table.header['NAXIS2'])}" for table in tables if table is not None]
        drawing.state("exposures combined", " \u2192 ".join(counts))


def _central_plane(old_hdus: Hdus, new_hdus: Hdus) -> int:
    """Return the number of the plane nearest to the middle that has values in both cubes."""
    images = old_hdus[SCIENCE], new_hdus[SCIENCE]
    count = images[1].shape[0]
    for plane in sorted(range(count), key=lambda number: abs(number - count // 2)):
        if all(np.isfinite(image.section[plane]).any() for image in images):
            return plane
    return count // 2


def _wavelength(hdus: Hdus, plane: int) -> str:
    """Return the wavelength of a plane of a cube; its number if there are no coordinates."""
    header, table = hdus[SCIENCE].header, hdus.get("WCS-TABLE")
    unit = unit_of(header.get("CUNIT3"))
    if table is not None and "wavelength" in [name.lower() for name in table.columns.names]:
        waves = np.asarray(table.data["wavelength"]).ravel()
        if len(waves) == hdus[SCIENCE].shape[0]:
            return f"{waves[plane]:.5g} {unit or 'um'}"
    if str(header.get("CTYPE3", "")).startswith("WAVE") and "CDELT3" in header:
        start, step, first = (
            float(header.get(f"{name}3", 1)) for name in ("CRVAL", "CDELT", "CRPIX")
        )
        value, unit = start + (plane + 1 - first) * step, unit or "m"
        return f"{value * 1e6:.5g} um" if unit == "m" else f"{value:.5g} {unit}"
    return f"plane {plane + 1} of {hdus[SCIENCE].shape[0]}"
