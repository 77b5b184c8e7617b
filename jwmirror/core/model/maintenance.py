"""Records of verification, repair, pruning, exports, adoption, history, pins and rollback."""

from dataclasses import dataclass
from typing import Literal

from jwmirror.core.errors import as_typed
from jwmirror.core.model.history.causes import Cause, ContentChange
from jwmirror.core.model.plan import AffectedResult
from jwmirror.core.model.product import Reason
from jwmirror.core.model.stored import Entry


@dataclass(frozen=True, order=True)
class Problem:
    """One thing in a mirror that is not as its records say."""

    kind: str  # generation, manifest, object, access, pointer, hold, view, pin, provenance, slice
    path: str  # below the mirror
    expected: str
    found: str


@dataclass(frozen=True, kw_only=True)
class AffectedFile:
    """A file whose object is missing or damaged."""

    object: str  # path below the mirror
    path: str  # in the view
    recipe: str  # "" of MAST's files
    generations: tuple[int, ...]  # that have it; none: it is kept of a pruned one
    is_current: bool  # it is in the current generation
    results: tuple[AffectedResult, ...]  # of the kept generations, made from it


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The extent of a check, and the problems found."""

    mirror: str
    is_full: bool
    generations: int  # unpruned and undamaged
    objects: int  # that must exist
    bytes: int  # of these objects
    problems: tuple[Problem, ...]  # sorted
    affected: tuple[AffectedFile, ...] = ()  # by missing and damaged objects


@dataclass(frozen=True, kw_only=True)
class RepairOutcome:
    """The outcome of the repair of one problem."""

    problem: Problem
    is_mended: bool  # whether it is repaired
    done: str


@dataclass(frozen=True, kw_only=True)
class RepairReport:
    """The outcome of each problem's repair; in a preview, the repair that would be tried."""

    mirror: str
    is_full: bool
    outcomes: tuple[RepairOutcome, ...]


@dataclass(frozen=True)
class RetainedVersion:
    """The newest version of a product, which stays though its generation was pruned."""

    uri: str
    path: str  # in the generation's view
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, kw_only=True)
class PrunedObject:
    """An object to be removed, as it was when the plan was made."""

    sha256: str
    size: int  # bytes
    touched: int  # ns, mtime; a process that takes the same bytes in again changes it


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """The generations, objects and files that `prune` removes, and those it keeps, with reasons."""

    mirror: str
    policy: str
    kept: dict[str, str]  # generation -> why
    generations: tuple[int, ...]  # to be pruned
    newest: dict[str, tuple[RetainedVersion, ...]]  # of these generations, what stays
    objects: tuple[PrunedObject, ...]
    bytes: int  # of the objects
    records: tuple[str, ...]  # keys of provenance
    folders: tuple[str, ...]  # of runs, below the mirror
    files: tuple[str, ...]  # receipts of fetches and pages of the report, below the mirror


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A generation's view in another folder."""

    mirror: str
    generation: int
    made_at: str  # ISO, UTC: when the generation was published
    to: str
    mode: str
    files: int
    bytes: int
    lost: tuple[str, ...]  # paths that are left out because their objects are lost
    name: str = ""  # of the pin that the generation got for symbolic links; "": it got none


@dataclass(frozen=True, kw_only=True)
class BagReport:
    """A bag and its contents."""

    mirror: str
    generation: int
    name: str  # of the pin that the generation got
    to: str
    mode: str
    files: int
    bytes: int
    left_out: tuple[str, ...]  # paths of exclusive files
    lost: tuple[str, ...]  # paths of files whose objects are lost
    is_recorded: bool  # config, recipes and versions were recorded with the generation


@dataclass(frozen=True, kw_only=True)
class AdoptedFile:
    """One file of an adopted folder, and why it was not adopted, if so."""

    file: str
    is_adopted: bool
    why: str  # "" if adopted


@dataclass(frozen=True, kw_only=True)
class AdoptionReport:
    """The files of an adopted folder, adopted or not."""

    mirror: str
    folder: str
    files: tuple[AdoptedFile, ...]  # by name
    bytes: int  # of the adopted files
    receipt: str  # path below the mirror; "" if nothing was adopted, and in a dry run


@dataclass(frozen=True, kw_only=True)
class FileVersion:
    """One content of a file, in consecutive generations."""

    path: str
    sha256: str
    size: int  # bytes
    first: int  # number of the first unpruned generation with it
    first_at: str  # ISO, UTC: when that was published
    last: int
    entry: Entry  # its row in the first generation
    reasons: tuple[Reason, ...] = ()  # how it differs from the version before
    causes: tuple[Cause, ...] = ()  # why it differs from that, traced to the root
    content: ContentChange | None = None  # how the content differs, of a file of MAST


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """All versions of some files, sorted by path, oldest first."""

    mirror: str
    generations: tuple[int, ...]  # that were read
    versions: tuple[FileVersion, ...]
    kept: dict[str, tuple[RetainedVersion, ...]]  # by pruned generation


@dataclass(frozen=True, kw_only=True)
class InvalidationReport:
    """The results that were invalidated, and where the kept generations show them."""

    mirror: str
    criteria: tuple[str, ...]  # such as "reference jwst_nircam_flat_0001.fits"
    because: str
    keys: tuple[str, ...]
    published: tuple[AffectedResult, ...]


@dataclass(frozen=True, kw_only=True)
class ReferenceProblem:
    """A file of the reference cache that is wrong, missing or cannot be verified."""

    kind: Literal["wrong", "missing", "unverifiable"]
    name: str
    expected: str  # sha1, as CRDS lists it; "" if it is not known
    found: str  # sha1; "" if there is no file
    is_repaired: bool = False


@dataclass(frozen=True, kw_only=True)
class ReferenceVerification:
    """The files of a reference cache that were read, and the problems found."""

    cache: str
    files: int
    bytes: int
    unreachable: str  # why CRDS's list was not read, if so; then the recorded sums are compared
    problems: tuple[ReferenceProblem, ...]
    affected: tuple[AffectedResult, ...] = ()  # made with files of these names; may be wrong


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A name of a generation, as recorded in pins/."""

    name: str
    generation: int
    kind: str  # "pin"; "frozen" if a bag was made; "checkout" if links to its files were made
    made_at: str  # ISO, UTC
    place: str = ""  # of the bag, or of the links


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Who holds the view: runs publish generations, and leave the current one as it is."""

    who: str  # user name
    since: str  # ISO, UTC
    reason: str = ""

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"held by {self.who} since {self.since[:16].replace('T', ' ')} UTC{reason}"

    def notice(self, generation: int) -> str:
        """Return a sentence on the hold, with the number of the current generation."""
        return (
            f"generation {generation} stays the current one ({self}); {as_typed('release')} lets "
            "runs change the view again"
        )


@dataclass(frozen=True, kw_only=True)
class EndOfHold:
    """The end of a hold."""

    mirror: str
    generation: int  # that is current, and stays so until the next run publishes
    hold: Hold | None  # that ended; None if there was none, or its record was damaged
    newer: tuple[int, ...]  # generations that follow the current one, and were never shown


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """The generations before and after a rollback."""

    mirror: str
    before: int  # the generation that was current
    generation: int  # the generation that is current after it
    set_aside: tuple[int, ...]  # newer generations; they stay, and can become current again
    hold: Hold | None = None  # with which runs leave it as it is
