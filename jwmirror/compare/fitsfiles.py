"""How two FITS files differ: headers, images, tables, the ASDF tree, and where the sky is."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jwmirror.compare import sky
from jwmirror.compare.cards import CardChanges
from jwmirror.compare.images import Pixels, compare_images, pixels_of
from jwmirror.compare.tables import compare_tables, fits_columns, order_change
from jwmirror.compare.trees import BLOCKS, compare_trees
from jwmirror.core.errors import StoreError
from jwmirror.core.fits import VOLATILE, asdf_content, check_end
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import (
    EQUAL,
    HEADER,
    PIXELS,
    VALUES,
    ImageDifference,
    SkyShift,
    TableDifference,
    TreeDifference,
)

IMAGE, TABLE, HEADERS = "image", "table", "header"  # HEADERS: the ASDF tree, blended headers
METADATA = ("ASDF", "HDRTAB")


@dataclass
class FitsChanges:
    """What differs between two FITS files, as it is found."""

    cards: CardChanges = field(default_factory=CardChanges)
    layout: list[Reason] = field(default_factory=list)
    images: list[ImageDifference] = field(default_factory=list)
    tables: list[TableDifference] = field(default_factory=list)
    tree: tuple[TreeDifference, ...] = ()
    shift: SkyShift | None = None
    touched: set[str] = field(default_factory=set)  # kinds whose content differs

    @property
    def verdict(self) -> str:
        """The worst that was found."""
        if IMAGE in self.touched:
            return PIXELS
        if TABLE in self.touched:
            return VALUES
        header = self.cards.any_science or self.layout or self.tree or HEADERS in self.touched
        return HEADER if header else EQUAL


def compare_fits(old: Path, new: Path, filename: str) -> dict[str, Any]:
    """The parts of a Comparison of two FITS files; StoreError if one cannot be read whole."""
    found = FitsChanges()
    with _opened(old, filename) as before, _opened(new, filename) as after:
        for name in [*before, *(name for name in after if name not in before)]:
            if name in before and name in after:
                _compare_hdus(name, (old, before), (new, after), found)
            else:
                _add_lonely(name, before.get(name), after.get(name), found)
        if found.cards.sky_moved or {"meta.wcs", BLOCKS} & {each.name for each in found.tree}:
            found.shift = _shift(before, after)
    return {
        "verdict": found.verdict,
        "volatile": tuple(dict.fromkeys(found.cards.volatile)),
        "pedigree": tuple(found.cards.pedigree),
        "references": tuple(found.cards.references),
        "steps": tuple(found.cards.steps),
        "cards": tuple(found.cards.cards),
        "layout": tuple(found.layout),
        "tree": found.tree,
        "shift": found.shift,
        "images": tuple(found.images),
        "tables": tuple(found.tables),
    }


@contextmanager
def _opened(path: Path, filename: str) -> Iterator[dict[str, Any]]:
    """The HDUs of a FITS file by name: PRIMARY, SCI, and "SCI,2" where there are several."""
    from astropy.io import fits

    with (
        _understood(f"{filename}: {path}"),
        warnings.catch_warnings(action="ignore"),
        fits.open(path, memmap=True, disable_image_compression=True) as hdus,
    ):
        named: dict[str, Any] = {}
        for hdu in hdus:
            named[_name(hdu, named)] = hdu
        with open(path, "rb") as file:
            check_end(hdus[-1], file)
        yield named


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """StoreError for what astropy raises of a file that is no FITS file, or is damaged."""
    from astropy.io import fits

    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, fits.VerifyError) as err:
        raise StoreError(
            f"{what} cannot be read as FITS ({err}); nothing was compared; `jwmirror verify "
            "--full` tells whether it was damaged since it came."
        ) from err


def _name(hdu: Any, known: dict[str, Any]) -> str:
    name = hdu.name or "(no name)"
    name = f"{name},{hdu.ver}" if hdu.ver != 1 else name
    return f"{name} no. {len(known)}" if name in known else name


def _kind(name: str, hdu: Any) -> str:
    from astropy.io import fits

    if name.partition(",")[0] in METADATA:
        return HEADERS
    return IMAGE if isinstance(hdu, (fits.ImageHDU, fits.PrimaryHDU)) else TABLE


def _compare_hdus(
    name: str,
    old: tuple[Path, dict[str, Any]],
    new: tuple[Path, dict[str, Any]],
    found: FitsChanges,
) -> None:
    """Add what differs between two HDUs of one name."""
    before, after = old[1][name], new[1][name]
    found.cards.add(name, before.header, after.header)
    kinds = _kind(name, before), _kind(name, after)
    if kinds[0] != kinds[1]:
        found.layout.append(Reason(name, _described(name, before), _described(name, after)))
        found.touched |= set(kinds)
    elif kinds[0] == IMAGE:
        _add_image(name, old, new, found)
    elif asdf_content(before) is not None:
        found.tree = compare_trees(asdf_content(before), asdf_content(after) or b"")
    else:
        _add_table(name, before, after, kinds[0], found)


def _add_image(
    name: str,
    old: tuple[Path, dict[str, Any]],
    new: tuple[Path, dict[str, Any]],
    found: FitsChanges,
) -> None:
    pairs = [_pixels(*side, name) for side in (old, new)]
    errors = [_pixels(*side, name.replace("SCI", "ERR")) for side in (old, new)]
    usable = name.startswith("SCI") and all(
        each and each.shape == image.shape for each, image in zip(errors, pairs, strict=True)
    )
    image = compare_images(name, *pairs, tuple(errors) if usable else None)
    if image is None:
        return
    if image.changed or image.old_shape != image.new_shape or image.old_type != image.new_type:
        found.images.append(image)
        found.touched.add(IMAGE)
    else:
        found.cards.volatile.append(f"bytes of equal values in {name}")


def _pixels(path: Path, hdus: dict[str, Any], name: str) -> Pixels | None:
    if name not in hdus or _kind(name, hdus[name]) != IMAGE:
        return None
    return pixels_of(path, hdus[name].header, hdus[name].fileinfo()["datLoc"])


def _add_table(name: str, old: Any, new: Any, kind: str, found: FitsChanges) -> None:
    """Add a table's differences; columns of dates in a table of blended headers do not count."""
    before, after = fits_columns(old), fits_columns(new)
    found.layout += order_change(name, before, after)
    table = compare_tables(name, before, after)
    if table is None:
        return
    columns = {each.name for each in table.columns}
    if kind == HEADERS and columns <= VOLATILE and table.old_rows == table.new_rows:
        found.cards.volatile += sorted(columns)
    else:
        found.tables.append(table)
        found.touched.add(kind)


def _add_lonely(name: str, old: Any, new: Any, found: FitsChanges) -> None:
    """Add an HDU that one file has and the other has not."""
    found.layout.append(Reason(name, _described(name, old), _described(name, new)))
    found.touched.add(_kind(name, new if old is None else old))


def _described(name: str, hdu: Any) -> str:
    """An HDU in a few words; "" for none."""
    if hdu is None:
        return ""
    if _kind(name, hdu) == IMAGE:
        pixels = pixels_of(Path(), hdu.header, 0)
        return f"image, {pixels.type} {'x'.join(str(length) for length in pixels.shape)}".strip()
    return f"table, {hdu.header['NAXIS2']} rows of {hdu.header['TFIELDS']} columns"


def _shift(old: dict[str, Any], new: dict[str, Any]) -> SkyShift | None:
    """By the coordinates that jwst goes by if both have them, else by the FITS headers."""
    if "SCI" not in old or "SCI" not in new:
        return None
    shapes = [pixels_of(Path(), each["SCI"].header, 0).shape for each in (old, new)]
    if shapes[0] != shapes[1] or len(shapes[0]) < 2:
        return None
    contents = [asdf_content(each["ASDF"]) if "ASDF" in each else None for each in (old, new)]
    if all(contents):
        skies = [sky.gwcs_sky(content) for content in contents]
        if all(skies):
            return sky.shift_of(*skies, shapes[0], sky.GWCS)
    skies = [sky.fits_sky(each["SCI"].header) for each in (old, new)]
    return sky.shift_of(*skies, shapes[0], sky.FITS) if all(skies) else None
