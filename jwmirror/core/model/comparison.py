"""Records of how two versions of a file, or two states of a mirror, differ.

Differences are from old to new, and only differences are listed. The fields are the keys of
`jwmirror diff --json`.
"""

from dataclasses import dataclass

from jwmirror.core.model import Entry, Reason
from jwmirror.core.model.history.causes import Cause

IDENTICAL = "identical"  # equal bytes
EQUAL = "equal science content"  # only dates, names and checksums differ
HEADER = "header only"  # cards or keys differ; the values are equal
PIXELS = "pixels changed"
VALUES = "values changed"  # of tables, or of JSON other than associations
MEMBERS = "members changed"  # of an association
BYTES = "bytes changed"  # of a file that is neither FITS nor JSON nor ECSV


@dataclass(frozen=True, kw_only=True)
class FileContent:
    """Checksum and size of one version of a file."""

    sha256: str
    size: int  # bytes


@dataclass(frozen=True, kw_only=True)
class PixelStatistics:
    """Statistics of new - old, in the unit of the image, over pixels that are finite in both."""

    median: float
    mad: float  # median absolute deviation from the median
    largest: float  # new - old where its size is largest
    place: tuple[int, ...] = ()  # the pixel of the largest: x, y, ...; the first pixel is 0
    sky: tuple[float, float] | None = None  # its right ascension and declination, in degrees
    over_error: tuple[float, float, float] | None = None  # percentiles 50, 90, 99 of
    # |difference| / ERR, over pixels that differ; ERR is the root mean square of both
    every: int = 1  # statistics except `largest` use every n-th pixel (1: all)


@dataclass(frozen=True, kw_only=True)
class FlagDifference:
    """Numbers of pixels that gained and lost one data quality flag."""

    name: str
    gained: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class ImageDifference:
    """One image in which two FITS files differ; pixels are compared if the shapes are equal."""

    hdu: str
    old_shape: tuple[int, ...]
    new_shape: tuple[int, ...]
    old_type: str  # numpy's name: float32
    new_type: str
    unit: str = ""  # BUNIT; "" if there is none, or the versions have different ones
    pixels: int = 0  # that have a value (not NaN) in both
    changed: int = 0  # of them
    old_nan: int = 0
    new_nan: int = 0
    gained: int = 0  # pixels with a value in the new version only
    lost: int = 0  # in the old one only
    spread: PixelStatistics | None = None
    bits: tuple[FlagDifference, ...] = ()  # of data quality images only

    @property
    def has_equal_values(self) -> bool:
        """True if shapes and types are equal, and each pixel has the value it had, or none."""
        is_alike = self.old_shape == self.new_shape and self.old_type == self.new_type
        return is_alike and not (self.changed or self.gained or self.lost)


@dataclass(frozen=True, kw_only=True)
class ColumnDifference:
    """One column in which two tables differ; a type is "" where the table has no such column."""

    name: str
    old_type: str
    new_type: str
    differing: int = 0  # rows; of a catalogue, sources
    median: float | None = None  # of new - old where they differ, of numbers
    largest: float | None = None  # new - old where its size is largest


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source that only one of two catalogues has; None: its catalogue has no such position."""

    label: str  # in its catalogue; "" if it has none
    ra: float | None  # degrees
    dec: float | None
    x: float | None  # pixels; the first one is 0, as jwst counts
    y: float | None


@dataclass(frozen=True, kw_only=True)
class SourcePairs:
    """The sources that two catalogues have both, by position, and those that only one has."""

    both: int
    radius: float  # within which a pair is
    unit: str  # of distances: "arcsec" or "pixel"
    median: float | None  # distance of a pair
    largest: float | None
    # common shift (east and north, or x and y) that was removed to find the pairs; None: none
    shift: tuple[float, float] | None = None
    only_old: tuple[Source, ...] = ()
    only_new: tuple[Source, ...] = ()
    renumbered: int = 0  # pairs with another label, or at another place among the pairs


@dataclass(frozen=True, kw_only=True)
class TableDifference:
    """One table in which two files differ.

    Values are compared if both have as many rows; those of source catalogues by source.
    """

    hdu: str  # "" in an ECSV file
    old_rows: int
    new_rows: int
    columns: tuple[ColumnDifference, ...]
    sources: SourcePairs | None = None  # of a source catalogue: columns are those of the pairs

    @property
    def has_equal_values(self) -> bool:
        """True if both are catalogues of the same sources, which have other labels or places."""
        pairs = self.sources
        has_values = self.columns or pairs is None or pairs.only_old or pairs.only_new
        return not has_values


@dataclass(frozen=True, kw_only=True)
class TreeDifference:
    """One branch of the ASDF trees, and the number of its values that differ."""

    name: str  # meta.wcs
    values: int


@dataclass(frozen=True, kw_only=True)
class SkyShift:
    """Shift of the sky under the pixels of SCI, in milliarcseconds."""

    source: str  # coordinates used: "gwcs" or "FITS"
    centre: float  # distance
    east: float  # component of the centre's shift
    north: float
    corners: tuple[float, ...]  # distances


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences between two versions of one file; each kind of file fills its own fields."""

    verdict: str  # one of the seven above
    old: FileContent
    new: FileContent
    volatile: tuple[str, ...] = ()  # differences without scientific meaning: DATE, FILENAME...
    pedigree: tuple[Reason, ...] = ()  # CAL_VER, CRDS_CTX, SDP_VER, DATE
    references: tuple[Reason, ...] = ()  # R_*
    steps: tuple[Reason, ...] = ()  # S_*
    cards: tuple[Reason, ...] = ()  # the others; keys of JSON, and of an ECSV file's meta
    layout: tuple[Reason, ...] = ()  # HDUs and the order of columns
    tree: tuple[TreeDifference, ...] = ()
    shift: SkyShift | None = None
    images: tuple[ImageDifference, ...] = ()
    tables: tuple[TableDifference, ...] = ()
    members: tuple[Reason, ...] = ()  # of an association: exptype, or place


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two states that are compared: a generation, or its files of one origin."""

    generation: int
    origin: str = ""  # "upstream" or a recipe; "" for all


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file in which two states differ."""

    kind: str  # new, changed, marked (equal bytes, changed metadata), gone
    old: Entry | None
    new: Entry | None
    reasons: tuple[Reason, ...] = ()
    same_science: bool = False  # changed, but the science identity is equal

    @property
    def origin(self) -> str:
        """Origin of the file: "upstream", or the recipe's name."""
        entry = self.new or self.old
        return entry.origin if entry else ""


@dataclass(frozen=True, kw_only=True)
class StateDifference:
    """The files in which two states of a mirror differ."""

    mirror: str
    old: Side
    new: Side
    files: tuple[FileChange, ...]
    causes: tuple[Cause, ...] = ()  # with paths; empty between two origins


@dataclass(frozen=True, kw_only=True)
class FileDifference:
    """Differences of one file between two states; no comparison if one state lacks it."""

    old: Entry | None
    new: Entry | None
    reasons: tuple[Reason, ...]
    comparison: Comparison | None
    causes: tuple[Cause, ...] = ()  # why it differs, traced to the root; () between two origins


@dataclass(frozen=True, kw_only=True)
class FileDifferences:
    """Differences of all files of one name between two states."""

    mirror: str
    old: Side
    new: Side
    files: tuple[FileDifference, ...]
