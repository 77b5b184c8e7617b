"""What comparing tells: frozen records of how two versions of a file, or two states, differ.

Everything is told from the old side to the new one. Only what differs is listed. The fields are
the keys of `jwmirror diff --json`.
"""

from dataclasses import dataclass

from jwmirror.core.model import Entry, Reason

IDENTICAL = "identical"  # the same bytes
EQUAL = "equal science content"  # only dates, names and checksums differ
HEADER = "header only"  # other cards or keys, and the same values
PIXELS = "pixels changed"
VALUES = "values changed"  # of tables, or of JSON that is no association
MEMBERS = "members changed"  # of an association
BYTES = "bytes changed"  # of a file of no kind that is known here


@dataclass(frozen=True, kw_only=True)
class FileContent:
    """The bytes of one version."""

    sha256: str
    size: int  # bytes


@dataclass(frozen=True, kw_only=True)
class PixelStatistics:
    """How differences (new - old) are spread, over the pixels that are finite in both."""

    median: float
    mad: float  # median absolute deviation from that median
    largest: float  # absolute
    over_error: tuple[float, float, float] | None = None  # |difference| / ERR where there is a
    # difference: 50, 90, 99 %; ERR is the root mean square of both
    every: int = 1  # all but `largest` is of each so-manieth pixel: 1 is all of them


@dataclass(frozen=True, kw_only=True)
class FlagDifference:
    """How many pixels gained and lost one flag."""

    name: str
    gained: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class ImageDifference:
    """One image in which two FITS files differ; without counts where the shapes do."""

    hdu: str
    old_shape: tuple[int, ...]
    new_shape: tuple[int, ...]
    old_type: str  # as numpy names it
    new_type: str
    pixels: int = 0
    changed: int = 0
    old_nan: int = 0
    new_nan: int = 0
    spread: PixelStatistics | None = None
    bits: tuple[FlagDifference, ...] = ()  # of data quality only


@dataclass(frozen=True, kw_only=True)
class ColumnDifference:
    """One column in which two tables differ; a type is "" where the table has no such column."""

    name: str
    old_type: str
    new_type: str
    differing: int = 0  # rows
    largest: float | None = None  # absolute difference, of numbers


@dataclass(frozen=True, kw_only=True)
class TableDifference:
    """One table in which two files differ; values are compared if the numbers of rows are equal."""

    hdu: str  # "" in an ECSV file
    old_rows: int
    new_rows: int
    columns: tuple[ColumnDifference, ...]


@dataclass(frozen=True, kw_only=True)
class TreeDifference:
    """One part of the ASDF trees, and how many of its values differ."""

    name: str  # meta.wcs
    values: int


@dataclass(frozen=True, kw_only=True)
class SkyShift:
    """How far the sky moved under the pixels of SCI, in milliarcseconds."""

    source: str  # "gwcs" or "FITS": whose coordinates
    centre: float
    east: float  # of the centre
    north: float
    corners: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How two versions of one file differ."""

    verdict: str  # one of the seven above
    old: FileContent
    new: FileContent
    volatile: tuple[str, ...] = ()  # what differs and is no science: DATE, FILENAME...
    pedigree: tuple[Reason, ...] = ()  # CAL_VER, CRDS_CTX, SDP_VER, DATE
    references: tuple[Reason, ...] = ()  # R_*
    steps: tuple[Reason, ...] = ()  # S_*
    cards: tuple[Reason, ...] = ()  # the others; keys of JSON, and of an ECSV file's meta
    layout: tuple[Reason, ...] = ()  # HDUs and orders of columns
    tree: tuple[TreeDifference, ...] = ()
    shift: SkyShift | None = None
    images: tuple[ImageDifference, ...] = ()
    tables: tuple[TableDifference, ...] = ()
    members: tuple[Reason, ...] = ()  # of an association: exptype, or place in the order


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a comparison of states."""

    generation: int
    origin: str = ""  # "upstream" or a recipe; "" for all


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file in which two states differ."""

    kind: str  # new, changed, marked (same bytes, other facts), gone
    old: Entry | None
    new: Entry | None
    reasons: tuple[Reason, ...] = ()
    same_science: bool = False  # changed, and its science identity is the same


@dataclass(frozen=True, kw_only=True)
class StateDifference:
    """How two states of a mirror differ."""

    mirror: str
    old: Side
    new: Side
    files: tuple[FileChange, ...]


@dataclass(frozen=True, kw_only=True)
class FileDifference:
    """How one file differs between two states; no comparison where one state lacks it."""

    old: Entry | None
    new: Entry | None
    reasons: tuple[Reason, ...]
    comparison: Comparison | None


@dataclass(frozen=True, kw_only=True)
class FileDifferences:
    """How the files of one name differ between two states."""

    mirror: str
    old: Side
    new: Side
    files: tuple[FileDifference, ...]
