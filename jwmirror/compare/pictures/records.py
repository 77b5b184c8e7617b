"""Records of the comparisons that are drawn."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from jwmirror.core.jsonio import digest
from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.comparison import FlagDifference

VERSION = 6  # of the drawings: 1 more with each change of them; kept ones are drawn again
RECORD = "comparison.json"  # in the folder of a pair
MAX_STEM = 120  # characters of a file name in the name of a folder
_UNSAFE = re.compile(r"[^a-z0-9_-]+")

PairKind = Literal["mast", "change", "recipes"]
MAST: Literal["mast"] = "mast"
CHANGE: Literal["change"] = "change"
RECIPES: Literal["recipes"] = "recipes"


class FileRow(NamedTuple):
    """The columns of a manifest that pairs are found by; an Entry has them, too."""

    path: str
    origin: str  # "upstream", or the recipe's name
    sha256: str
    identity: str  # science identity, or ""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two versions of one product that are compared.

    Of kind "mast": MAST's version, and that of a recipe. Of kind "change": the versions of the
    generation before and of this one, of a recipe or of MAST ("upstream"). Of kind "recipes": the
    versions of two recipes.
    """

    kind: PairKind
    filename: str
    recipe: str  # or "upstream"
    old: str  # sha256
    new: str
    versus: str = ""  # of kind "recipes": the recipe of the old version

    @property
    def name(self) -> str:
        """The name of its folder: the same for the same two versions, and safe in any folder."""
        stem = _UNSAFE.sub("_", self.filename.rpartition(".")[0].lower())[:MAX_STEM]
        versus = (self.versus,) if self.versus else ()
        terms = (self.kind, self.filename, self.recipe, self.old, self.new, *versus)
        return f"{stem.strip('_-') or 'file'}-{digest(terms)[:16]}"

    @property
    def labels(self) -> tuple[str, str]:
        """Names of the two versions: MAST and recipe deep; before and after."""
        if self.kind == CHANGE:
            return "before", "after"
        first = f"recipe {self.versus}" if self.kind == RECIPES else "MAST"
        return first, f"recipe {self.recipe}"

    @property
    def title(self) -> str:
        """The comparison in a few words."""
        if self.kind != CHANGE:
            return " and ".join(self.labels)
        return (
            "MAST before and after"
            if self.recipe == UPSTREAM
            else f"recipe {self.recipe}, before and after"
        )


@dataclass(frozen=True)
class DrawingTask:
    """A pair, and the files of its two versions."""

    pair: Pair
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class DrawnPanel:
    """One picture of a comparison, in the folder of its pair."""

    file: str  # name of the PNG file
    title: str
    width: int  # pixels
    height: int
    alt: str  # what it shows, for those who do not see it


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One number of a comparison, as text."""

    name: str
    value: str
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class LargestDifference:
    """The pixel that differs most."""

    value: float  # new - old, in `unit`
    unit: str
    place: str  # in words: pixel, and right ascension and declination if they are known
    median: float  # of the new image


@dataclass(frozen=True, kw_only=True)
class DrawnComparison:
    """A comparison in pictures, numbers and words; without pictures, the notes say why.

    It is the record in the folder of a pair. report/site/templates/comparison.html shows it.
    """

    version: int  # of the drawings
    name: str  # of the pair, and of the folder of its pictures
    kind: PairKind
    title: str
    summary: str = ""  # in one line: pixels of SCI changed by 0.4 sigma (median)
    fraction: float | None = None  # of the values that differ; None: they cannot be compared
    typical: float | None = None  # median of |difference| where there is one, in `unit`
    unit: str = ""
    largest: LargestDifference | None = None  # of images, if a pixel differs
    flags: tuple[
        FlagDifference, ...
    ] = ()  # of pixels of an exposure, those that changed most first
    moved: str = ""  # by how much most pixels differ alike, as if the background moved
    panels: tuple[DrawnPanel, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    notes: tuple[str, ...] = ()
    is_thumbnail: bool = False
