"""Records of the quality of results: what was measured, and what it means."""

from dataclasses import dataclass, field
from typing import Literal

SOUND, CAVEAT, FAILED = "sound", "caveat", "failed"  # from best to worst
QualityWord = Literal["", "sound", "caveat", "failed"]  # "": not measured (by an older jwmirror)

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
    "noise",  # the scatter differs likewise
    "members",  # members of the association are missing
    "member",  # inherited from a member of the association
    "reference",  # a reference was corrected, retracted, or cannot be verified
    "comparison",  # the product cannot be measured or compared
]


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """A warning of the pipeline which means that a step did not do what it was asked for."""

    step: str
    message: str  # in the pipeline's words


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What was measured on the products of one result; docs/quality.md explains each quantity."""

    instrument: str  # INSTRUME
    exp_type: str  # EXP_TYPE
    steps: dict[str, str]  # step -> COMPLETE, SKIPPED or FAILED, by the header
    fallbacks: tuple[Fallback, ...] = ()
    files: dict[str, dict[str, float]] = field(default_factory=dict)  # file -> quantity -> value
    members: dict[str, dict[str, float]] = field(default_factory=dict)  # likewise; of stage 3


@dataclass(frozen=True, kw_only=True)
class Caveat:
    """One reason to look at a result before using it."""

    cause: CaveatCause
    message: str  # for people: what, where, measured, allowed
    subject: str = ""  # the file, step, member or reference that it is about
    measured: float | None = None
    allowed: float | None = None
    is_provisional: bool = False  # by a threshold that rests on simulation alone: never holds back


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The quality of one result: a word and its reasons."""

    word: QualityWord
    caveats: tuple[Caveat, ...] = ()
