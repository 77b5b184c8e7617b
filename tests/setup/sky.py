"""An archive with exposures of several programs at known positions, and searches for them."""

from pathlib import Path

from jwmirror.core.model import Search, Selection
from jwmirror.core.model.search import Cone
from jwmirror_simulator.mast import Archive
from jwmirror_simulator.mast.toy_files import toy_fits

ARCMIN = 1 / 60
SKY = {  # of an exposure: right ascension, declination, category, sub-category
    "jw01345001001_02101_00001_nrcb1": (80.0, -69.5, "ERS", "NONE"),
    "jw01345002001_02101_00001_nrcb1": (80.2, -69.5, "ERS", "NONE"),
    "jw02107001001_02101_00001_nrcb1": (80.01, -69.5, "GO", "NONE"),
    "jw01039001001_02101_00001_nrcb1": (359.99, 0.0, "COM", "NIRCAM"),
    "jw02736001001_02101_00001_nrcb1": (0.01, 0.0, "DD", "ERO"),
    "jw01200001001_02101_00001_nrcb1": (123.0, 89.99, "GTO", "NIRCAM"),
}


def publish_sky(archive: Archive, folder: Path) -> None:
    """Publish one rate of each exposure of SKY."""
    for root, place in SKY.items():
        publish_exposure(archive, folder, root, *place)


def publish_exposure(
    archive: Archive, folder: Path, root: str, ra: float, dec: float, category: str, subcat: str
) -> None:
    """Publish the rate of an exposure at a position."""
    keywords = {"program": root[2:7], "observtn": root[7:10], "targprop": f"T-{root[2:7]}"}
    place = {"targ_ra": ra, "targ_dec": dec, "category": category, "subcat": subcat}
    archive.publish(toy_fits(folder, f"{root}_rate.fits", **keywords, **place))


def search_for(**parts) -> Search:
    """A search; `program` and other criteria are those of its selection."""
    criteria = {k: parts.pop(k) for k in ("observations", "candidates") if k in parts}
    selection = Selection(program=parts.pop("program", 0), **criteria)
    return Search(place="programs[0]", criteria=selection, **parts)


def cone(ra: float, dec: float, radius: float = ARCMIN) -> Cone:
    """A circle on the sky, in degrees."""
    return Cone(ra=ra, dec=dec, radius=radius)
