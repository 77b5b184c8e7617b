"""Differences between two FITS files: headers, images, tables, the ASDF tree, and the sky."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jwmirror.compare.cards import CardChanges
from jwmirror.compare.images import compare_images, pixel_type
from jwmirror.compare.reading import parse_errors
from jwmirror.compare.sky import position_of, sky_shift
from jwmirror.compare.tables.columns import column_order_change, compare_tables, fits_content
from jwmirror.compare.trees import BLOCKS, compare_trees
from jwmirror.core.fits import VOLATILE, asdf_content, check_structure, check_table
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import (
    EQUAL,
    HEADER,
    PIXELS,
    VALUES,
    Comparison,
    ImageDifference,
    SkyShift,
    TableDifference,
    TreeDifference,
)

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU

    from jwmirror.compare.images import ImagePair

IMAGE, TABLE, METADATA = "image", "table", "metadata"
METADATA_HDUS = ("ASDF", "HDRTAB")  # the ASDF tree; a table of the headers of a mosaic's inputs
Hdus = dict[str, Any]  # the HDUs of a file by name; astropy has no types


@dataclass
class FitsChanges:
    """Differences between two FITS files; `add` is called for each name of an HDU."""

    cards: CardChanges = field(default_factory=CardChanges)
    layout: list[Reason] = field(default_factory=list)
    images: list[ImageDifference] = field(default_factory=list)
    tables: list[TableDifference] = field(default_factory=list)
    tree: tuple[TreeDifference, ...] = ()
    changed_kinds: set[str] = field(default_factory=set)

    def add(self, name: str, old_hdus: Hdus, new_hdus: Hdus) -> None:
        """Add the differences between the HDUs of one name, or that one file has none."""
        old, new = old_hdus.get(name), new_hdus.get(name)
        if old is not None and new is not None:
            self.cards.add(name, old.header, new.header)
        kinds = {_kind(hdu) for hdu in (old, new) if hdu is not None}
        trees = [asdf_content(hdu) for hdu in (old, new) if hdu is not None]
        if len(trees) == 2 and trees[0] is not None and trees[1] is not None:
            self.tree = compare_trees(trees[0], trees[1])
        elif old is None or new is None or len(kinds) == 2 or any(trees):
            self.layout.append(Reason(name, _describe(old), _describe(new)))
            self.changed_kinds |= kinds
        elif kinds == {IMAGE}:
            self.add_image(name, old_hdus, new_hdus)
        else:
            self.add_table(name, old, new)

    def add_order(self, old_names: list[str], new_names: list[str]) -> None:
        """Add a difference if the HDUs that both files have are in another order."""
        old_order = " ".join(name for name in old_names if name in new_names)
        new_order = " ".join(name for name in new_names if name in old_names)
        if old_order != new_order:
            self.layout.append(Reason("order of HDUs", old_order, new_order))

    def add_image(self, name: str, old_hdus: Hdus, new_hdus: Hdus) -> None:
        """Add the differences between the images of one name."""
        errors = error_images(name, old_hdus, new_hdus)
        image = compare_images(name, old_hdus[name], new_hdus[name], errors)
        if image is None:
            return
        if image.has_equal_values:
            self.cards.volatile.append(f"bytes of equal values in {name}")
        else:
            self.images.append(image)
            self.changed_kinds.add(IMAGE)

    def add_table(self, name: str, old: "BinTableHDU", new: "BinTableHDU") -> None:
        """Add the differences between two tables; dates in HDRTAB are volatile."""
        old_content, new_content = fits_content(old), fits_content(new)
        self.layout += column_order_change(name, old_content, new_content)
        table = compare_tables(name, old_content, new_content)
        if table is None:
            return
        kind, columns = _kind(old), {column.name for column in table.columns}
        if kind == METADATA and columns <= VOLATILE and table.old_rows == table.new_rows:
            self.cards.volatile += sorted(columns)
        else:
            self.tables.append(table)
            self.changed_kinds.add(kind)

    @property
    def verdict(self) -> str:
        """The most serious kind of difference."""
        if IMAGE in self.changed_kinds:
            return PIXELS
        if TABLE in self.changed_kinds:
            return VALUES
        header = self.cards.any_science or self.layout or self.tree or self.changed_kinds
        return HEADER if header else EQUAL

    @property
    def may_move_sky(self) -> bool:
        """True if coordinates may differ: in cards, in the tree, or in arrays that it uses."""
        branches = {branch.name for branch in self.tree}
        return self.cards.sky_moved or not branches.isdisjoint({"meta.wcs", BLOCKS})


def compare_fits(comparison: Comparison, old: Path, new: Path, filename: str) -> Comparison:
    """Add the differences between two FITS files; StoreError if one cannot be read whole."""
    return _compare_fits(comparison, old, new, filename, has_sky=True)


def compare_fits_without_sky(
    comparison: Comparison, old: Path, new: Path, filename: str
) -> Comparison:
    """Add the same, but for the shift of the sky, for which gwcs would be imported."""
    return _compare_fits(comparison, old, new, filename, has_sky=False)


def _compare_fits(
    comparison: Comparison, old: Path, new: Path, filename: str, has_sky: bool
) -> Comparison:
    changes = FitsChanges()
    with opened_hdus(old, filename) as old_hdus, opened_hdus(new, filename) as new_hdus:
        changes.add_order(list(old_hdus), list(new_hdus))
        for name in old_hdus | new_hdus:
            changes.add(name, old_hdus, new_hdus)
        shift = _sky_shift(old_hdus, new_hdus) if has_sky and changes.may_move_sky else None
        if has_sky:
            changes.images = [_with_position(image, new_hdus) for image in changes.images]
    return replace(
        comparison,
        verdict=changes.verdict,
        volatile=tuple(dict.fromkeys(changes.cards.volatile)),
        pedigree=tuple(changes.cards.pedigree),
        references=tuple(changes.cards.references),
        steps=tuple(changes.cards.steps),
        cards=tuple(changes.cards.cards),
        layout=tuple(changes.layout),
        tree=changes.tree,
        shift=shift,
        images=tuple(changes.images),
        tables=tuple(changes.tables),
    )


def has_values(path: Path, filename: str) -> bool:
    """Return whether a FITS file has pixels or table values. StoreError if it cannot be read."""
    with opened_hdus(path, filename) as hdus:
        return any(hdu.size for hdu in hdus.values() if _kind(hdu) != METADATA)


@contextmanager
def opened_hdus(path: Path, filename: str) -> Iterator[Hdus]:
    """Open a FITS file, check its end, and yield its HDUs by name.

    It is not mapped into memory: images are read by sections, whose pages would stay resident.
    """
    from astropy.io import fits

    with parse_errors(path, filename, "FITS"), warnings.catch_warnings(action="ignore"):
        check_structure(path)
        with fits.open(path, memmap=False, disable_image_compression=True) as hdus:
            named: Hdus = {}
            for hdu in hdus:
                check_table(hdu)
                named[_unique_name(hdu, named)] = hdu
            yield named


def _unique_name(hdu: Any, known: Hdus) -> str:
    """Return PRIMARY, SCI, or with the version "SCI,2"; numbered where that occurs twice."""
    name = hdu.name or "(no name)"
    name = f"{name},{hdu.ver}" if hdu.ver != 1 else name
    return f"{name} no. {len(known)}" if name in known else name


def _kind(hdu: Any) -> str:
    """Return the kind of an HDU: tables of headers, and ASDF trees in any HDU, are metadata."""
    if asdf_content(hdu) is not None:
        return METADATA
    if is_image(hdu):
        return IMAGE
    return METADATA if hdu.name in METADATA_HDUS else TABLE


def is_image(hdu: object) -> bool:
    """Return whether an HDU of astropy is an image, which is not compressed."""
    from astropy.io import fits

    return isinstance(hdu, (fits.ImageHDU, fits.PrimaryHDU))


def _describe(hdu: Any) -> str:
    """Return an HDU in a few words; "" for none."""
    if hdu is None:
        return ""
    if is_image(hdu):
        return f"image, {pixel_type(hdu)} {'x'.join(map(str, hdu.shape))}".strip()
    return f"table, {hdu.header['NAXIS2']} rows of {hdu.header['TFIELDS']} columns"


def error_images(name: str, old_hdus: Hdus, new_hdus: Hdus) -> "ImagePair | None":
    """Return the ERR images that belong to a SCI image; None unless all shapes are equal."""
    if not name.startswith("SCI"):
        return None
    error_name = name.replace("SCI", "ERR")
    for hdus in (old_hdus, new_hdus):
        error = hdus.get(error_name)
        if error is None or not is_image(error) or error.shape != hdus[name].shape:
            return None
    return old_hdus[error_name], new_hdus[error_name]


def _with_position(image: ImageDifference, hdus: Hdus) -> ImageDifference:
    """Add where on the sky the largest difference is, if the image has the pixels of SCI."""
    science, spread = hdus.get("SCI"), image.spread
    if science is None or spread is None or len(spread.place) < 2 or "," in image.hdu:
        return image
    if not is_image(science) or science.shape[-2:] != image.new_shape[-2:]:
        return image
    return replace(image, spread=replace(spread, sky=position_of(hdus, spread.place)))


def _sky_shift(old: Hdus, new: Hdus) -> SkyShift | None:
    """Return the shift of SCI's sky; None unless both files have images of one shape there."""
    if not all(is_image(hdus.get("SCI")) for hdus in (old, new)):
        return None
    shape = old["SCI"].shape
    return sky_shift(old, new, shape) if shape == new["SCI"].shape and len(shape) > 1 else None
