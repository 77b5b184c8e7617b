"""Records of the quality of results: what was measured, what is allowed, and what it means."""

from dataclasses import dataclass, field
from typing import Final, Literal

from jwmirror.core.model.stored import ResultFile

QualityWord = Literal["", "sound", "caveat", "failed"]
UNMEASURED: Final = ""  # made by a jwmirror that did not measure
SOUND: Final = "sound"
CAVEAT: Final = "caveat"
FAILED: Final = "failed"
MEASURED_FLAGS = {  # of pixels, by their names in jwst: the quantity that is their fraction
    "DO_NOT_USE": "do_not_use",
    "SATURATED": "saturated",
    "JUMP_DET": "jumps",
    "OUTLIER": "outliers",
}
MARK, HOLD = "mark", "hold"  # what a recipe does with a result that has caveats

CaveatCause = Literal[
    "step failed",  # the header says FAILED: the step tried, and its correction is missing
    "step skipped",  # the step had its references and did nothing
    "fallback",  # the pipeline warned that it went on in a simpler way
    "alignment",  # members are shifted against their own WCS or against each other
    "sources",  # too few sources, or too few that match
    "missing pixels",  # NaN
    "flagged pixels",  # DO_NOT_USE, saturated or jumps
    "empty",  # a product without any usable pixel or row
    "level",  # the median differs from MAST's product, or from the result before
    "noise",  # the scatter differs in the same way
    "members",  # members of the association are missing
    "member",  # inherited from a member of the association
    "reference",  # a reference was corrected, retracted, or cannot be verified
    "invalidated",  # the user marked it, and it was not computed again
]


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """A warning of the pipeline which means that a step did not do its work."""

    step: str
    message: str  # in the pipeline's words


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What was measured on the products of one result; docs/quality.md explains each quantity."""

    instrument: str  # INSTRUME
    exp_type: str  # EXP_TYPE
    # step -> COMPLETE, FAILED, or SKIPPED (only if it was wanted and had what it needs)
    steps: dict[str, str]
    fallbacks: tuple[Fallback, ...] = ()
    files: dict[str, dict[str, float]] = field(default_factory=dict)  # file -> quantity -> value
    members: dict[str, dict[str, float]] = field(default_factory=dict)  # the same; of stage 3


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What is allowed for one quantity; one entry of config/thresholds.yaml."""

    name: str
    cause: CaveatCause  # of the caveat of a result that breaks it
    quantity: str  # in Measurements.files or Measurements.members
    of: Literal["file", "member"]
    limit: Literal["at most", "at least", "change"]  # change: |new - old| / largest of `scale`
    value: float | None  # allowed; None: not judged
    by_suffix: dict[str, float | None] = field(default_factory=dict)  # instead of `value`
    scale: tuple[str, ...] = ()  # of a change: quantities of the old product
    measures: str  # for people: what the quantity is
    reason: str  # for people: why this value
    basis: Literal["definition", "flight", "simulation"]

    @property
    def is_provisional(self) -> bool:
        """True if it rests on simulation alone: it never holds a result back."""
        return self.basis == "simulation"


@dataclass(frozen=True, kw_only=True)
class Caveat:
    """One reason to look at a result before using it."""

    cause: CaveatCause
    message: str  # for people: what, where, measured, allowed
    subject: str = ""  # the file, step, member, reference or product that it is about
    measured: float | None = None
    allowed: float | None = None
    is_provisional: bool = False  # by a threshold that rests on simulation alone: never holds back
    inherited: tuple[CaveatCause, ...] = ()  # of the cause "member": the causes at the member
    accepted: str = ""  # by whom, when and why; "" if it is not accepted

    @property
    def holds_back(self) -> bool:
        """True if a recipe with `publish: hold` does not publish the result."""
        return not (self.is_provisional or self.accepted)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The quality of one result: a word and its reasons."""

    word: QualityWord
    caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JudgedResult:
    """A result that is not sound."""

    recipe: str
    pipeline: str
    product: str
    key: str
    files: tuple[ResultFile, ...]
    quality: Quality
    is_published: bool


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """The decision of a user that a result may be used with its caveats."""

    key: str
    recipe: str
    product: str
    pipeline: str
    caveats: tuple[Caveat, ...]  # as they were when they were accepted
    because: str
    who: str  # user name
    accepted_at: str  # ISO, UTC
