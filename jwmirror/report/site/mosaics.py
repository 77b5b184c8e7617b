"""Records of the page that says which mosaic to use. Pure."""

from dataclasses import dataclass

RECOMMENDED, ALSO, ONLY = "recommended", "also sound", "the only one"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a file, in the folder of pictures."""

    address: str  # from that folder
    width: int
    height: int
    alt: str


@dataclass(frozen=True, kw_only=True)
class MosaicVersion:
    """One version of a mosaic: MAST's, or a recipe's."""

    origin: str
    path: str
    size: int
    made: str
    versions: str  # CAL_VER and context
    quality: str
    caveats: tuple[str, ...]
    marks: tuple[str, ...]
    badge: str = ""  # RECOMMENDED, ALSO or ONLY
    measured: tuple[tuple[str, float], ...] = ()  # name and value, in the units of the image
    exposures: int = 0  # that it is made of; 0: not known
    parameters: tuple[str, ...] = ()  # in which versions that are fit differ, with their values
    picture: Picture | None = None


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """The versions of one mosaic or cube, and which to use."""

    filename: str
    page: str
    program: str
    observation: str
    advice: str  # one sentence
    notes: tuple[str, ...]  # on the other versions
    choice: str  # origin of the version to use; "" if there is none
    versions: tuple[MosaicVersion, ...]
    hidden: int = 0  # recalibrated versions of exclusive data
    compared: str = ""  # where on its page versions of two recipes are compared


@dataclass(frozen=True, kw_only=True)
class MosaicsPage:
    """The page that says which mosaic to use."""

    mosaics: tuple[Mosaic, ...]
    in_all: int
    short: str  # which to use of all, in a sentence or two
    recipes: tuple[str, ...] = ()  # that made mosaics here, in the order of the config
    order: str = ""  # where that order is from, in words
    hidden: int = 0  # versions of exclusive data, which the public site does not show
