"""Records of what is looked at, repaired, removed and exported."""

from dataclasses import dataclass

from jwmirror.core.model.holding import Entry
from jwmirror.core.model.product import Reason


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing in a mirror that is not as it must be."""

    kind: str  # generation, manifest, object, pointer, view, pin, provenance
    path: str  # below the mirror
    expected: str
    found: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was looked at, and what is wrong with it."""

    mirror: str
    is_full: bool
    generations: int  # whose rows can be had
    objects: int  # that must be there
    bytes: int  # of them
    problems: tuple[Problem, ...]  # sorted


@dataclass(frozen=True, kw_only=True)
class RepairOutcome:
    """What came of one problem."""

    problem: Problem
    is_mended: bool
    done: str


@dataclass(frozen=True, kw_only=True)
class RepairReport:
    """What was looked at, and what came of each problem; in a plan, what would be tried."""

    mirror: str
    is_full: bool
    outcomes: tuple[RepairOutcome, ...]


@dataclass(frozen=True)
class RetainedVersion:
    """One version that stays though its generation was pruned: the newest of its product."""

    uri: str
    path: str  # in the generation's view
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, kw_only=True)
class PrunedObject:
    """An object to be removed, as it was seen when that was decided."""

    sha256: str
    size: int  # bytes
    touched: int  # ns, its file's mtime: whoever takes the same bytes in again touches it


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What prune removes, and what it keeps and why."""

    mirror: str
    policy: str
    kept: dict[str, str]  # generation -> why
    generations: tuple[int, ...]  # to be given up
    newest: dict[
        str, tuple[RetainedVersion, ...]
    ]  # of those: what stays as the newest of its product
    objects: tuple[PrunedObject, ...]
    bytes: int  # of the objects
    records: tuple[str, ...]  # keys of provenance
    folders: tuple[str, ...]  # of runs, below the mirror
    files: tuple[str, ...]  # receipts of fetches and pages of the report, below the mirror


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A generation's view in a folder of its own."""

    mirror: str
    generation: int
    made_at: str  # ISO, UTC: when the generation was published
    to: str
    mode: str
    files: int
    bytes: int
    lost: tuple[str, ...]  # paths that are left out: their objects are written down as lost


@dataclass(frozen=True, kw_only=True)
class BagReport:
    """A bag, and what is in it."""

    mirror: str
    generation: int
    name: str  # the pin that keeps the generation
    to: str
    mode: str
    files: int
    bytes: int
    left_out: tuple[str, ...]  # paths of exclusive files
    lost: tuple[str, ...]  # paths of files whose objects are written down as lost


@dataclass(frozen=True, kw_only=True)
class AdoptedFile:
    """What became of one file."""

    file: str
    is_adopted: bool
    why: str  # "" if adopted


@dataclass(frozen=True, kw_only=True)
class AdoptionReport:
    """What became of the files in a folder."""

    mirror: str
    folder: str
    files: tuple[AdoptedFile, ...]  # by name
    bytes: int  # of what was adopted
    receipt: str  # below the mirror; "" where nothing was adopted, or in a dry run


@dataclass(frozen=True, kw_only=True)
class FileVersion:
    """One content of a file, in generations that follow each other."""

    path: str
    sha256: str
    size: int  # bytes
    first: int  # generation; of those that were not pruned
    first_at: str  # ISO, UTC: when it was published
    last: int
    entry: Entry  # as the first of them has it
    reasons: tuple[Reason, ...] = ()  # why it is not as the version before


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """All versions of the files of a name, by path, oldest first."""

    mirror: str
    generations: tuple[int, ...]  # that were looked at
    versions: tuple[FileVersion, ...]
    kept: dict[str, tuple[RetainedVersion, ...]]  # pruned generation -> what of these files it left


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A name of a generation: what its file in pins/ says."""

    name: str
    generation: int
    kind: str  # "pin", or "frozen": a bag was made of it
    made_at: str  # ISO, UTC
    place: str = ""  # frozen: where the bag was written


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """What a rollback does, or did."""

    mirror: str
    before: int  # the generation that was current
    generation: int  # the one that is current after it
    set_aside: tuple[int, ...]  # newer generations; they stay, and can be gone back to
