"""Records of the summary of a run, which commands of the user get, and of these commands."""

from dataclasses import dataclass, field
from typing import Final, Literal

from jwmirror.core.model.maintenance import Hold

Outcome = Literal["changed", "unchanged", "failed"]
FORMAT: Final = "jwmirror-run-1"  # 1 more with each change that a reader could stumble over
KINDS = ("new", "reprocessed", "released", "vanished")  # of changes, as lists of the summary


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A command that gets the summary of each run as JSON on its standard input."""

    command: tuple[str, ...]
    exclusive: bool = False  # the summary names exclusive files, too
    unchanged: bool = False  # also after runs that changed nothing
    timeout_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class FileAtMast:
    """A file that differs at MAST."""

    file: str
    program: int
    observation: str
    reasons: tuple[str, ...] = ()  # in words
    content: str = ""  # of a reprocessed file: how it differs, in a few words; "": not compared
    sigma: float | None = None  # if its pixels differ: median of |difference| / ERR
    noise: float | None = None  # relative change of the noise


@dataclass(frozen=True, kw_only=True)
class RetractedReference:
    """What CRDS says about a reference that was used."""

    file: str
    kind: str  # corrected, retracted, unverified
    message: str
    results: int  # of the kept generations, made with it


@dataclass(frozen=True, kw_only=True)
class FailedPart:
    """A download, a listing or a result that failed, or the rule that ended the run."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class ResultWithCaveat:
    """A result that is not sound and was not accepted."""

    recipe: str
    product: str
    pipeline: str
    quality: str  # caveat or failed
    causes: tuple[str, ...]
    is_published: bool
    is_new: bool  # this run has computed it


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What one run did, for programs and people; the lists have at most 200 items each."""

    format: str = FORMAT
    run: str  # id
    mirror: str  # absolute path
    outcome: Outcome  # failed: it ended with an error; what it published is there all the same
    is_repeated: bool = False  # sent again by `jwmirror notify`
    subject: str = ""  # one line
    text: str = ""  # a few lines
    generation: int  # the current one; while the view is held, the newest one; 0: none
    is_new: bool  # this run has published it
    hold: Hold | None = None
    causes: tuple[str, ...] = ()  # of a new generation
    first_polls: dict[int, int] = field(default_factory=dict)  # program -> products
    new: tuple[FileAtMast, ...] = ()  # at MAST; without those of a first poll
    reprocessed: tuple[FileAtMast, ...] = ()
    released: tuple[FileAtMast, ...] = ()
    vanished: tuple[FileAtMast, ...] = ()
    retracted: tuple[RetractedReference, ...] = ()
    failed: tuple[FailedPart, ...] = ()
    caveats: tuple[ResultWithCaveat, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)  # name of a list -> all of its items
    left_out: int = 0  # items that are about exclusive data
    site: str = ""  # its first page, an absolute path; "" if it was not written
