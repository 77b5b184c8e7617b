"""What recalibration plans, waits for and makes."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from jwmirror.core.model.derivation import Derivation
from jwmirror.core.model.holding import Failure, ResultFile, Version
from jwmirror.core.model.product import Reason

DEFAULT = "default of jwst"  # the origin of a parameter's value that nothing sets
NEVER_CALIBRATED = Reason("new", "", "", cause="new")
INPUTS_RECOMPUTED = Reason("inputs recomputed", "", "", cause="inputs")
LEVELS = ("exposures", "associations-2", "associations-3")  # of plans, one upon the other


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a derivation gave: files in the store under the key."""

    recipe: str
    program: int
    observation: str  # folder in the view: o001, c1001
    pipeline: str
    product: str
    key: str
    files: tuple[ResultFile, ...]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The stages one recipe still needs for one exposure or association, in order.

    The first derivation is complete; a later one takes, for each input without identity, the
    file of that name from the stage before.
    """

    recipe: str
    program: int
    observation: str
    product: str
    derivations: tuple[Derivation, ...]
    reasons: tuple[Reason, ...]  # why it is out of date
    keep: tuple[str, ...] = ()  # as in Recipe
    python: str = ""  # as in Recipe
    memory: int = 0  # bytes that its stages may take, one after the other; an estimate


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What one stage of one exposure or association took, well ended or not."""

    pipeline: str
    product: str
    seconds: float
    peak_memory: int  # bytes


WaitCause = Literal[
    "",  # not recorded, in a file of an earlier version
    "association",  # none calls for the exposure, or its file is unusable
    "unsettled",  # MAST has reprocessed only a part of an association
    "unsupported",  # jwst has no pipeline for this type of exposure
    "input",  # an input is unusable, is not mirrored, or is of another version than the others
    "failed",  # a member of the association failed
    "references",  # a reference file is not in the cache
    "request",  # parameters, hooks, or references that the context does not have
]


class Wait(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An exposure or association that cannot be calibrated now, and why."""

    recipe: str
    product: str
    why: str  # for people
    cause: WaitCause = ""
    member: str = ""  # the member of the association that is missing, for this cause


@dataclass(frozen=True, kw_only=True)
class Unsettled:
    """An association that MAST has half updated: what is of it waits."""

    association: str  # file name
    product: str  # root of what it makes
    program: int
    why: str
    since: str  # ISO, UTC: the first poll that found it so
    exposures: tuple[str, ...]  # roots of the exposures that wait with it
    uris: tuple[str, ...]  # products whose published version stays


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    """An association with members that MAST does not list."""

    association: str  # file name
    absent: tuple[str, ...]  # file names


@dataclass(frozen=True, kw_only=True)
class Settling:
    """What one run's poll and the associations held show of MAST's own work under way."""

    unsettled: tuple[Unsettled, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()

    @property
    def waiting(self) -> frozenset[str]:
        """The URIs of all products whose published version stays."""
        return frozenset(uri for each in self.unsettled for uri in each.uris)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be calibrated (in batches, by name), what is already there, what waits."""

    context: str
    engines: dict[str, dict[str, str]] = field(default_factory=dict)  # by recipe, as in Derivation
    batches: dict[str, tuple[Chain, ...]] = field(default_factory=dict)
    done: tuple[Result, ...] = ()
    waits: tuple[Wait, ...] = ()
    failures: tuple[Wait, ...] = ()  # refused: no run can calibrate them as they are


@dataclass(frozen=True, kw_only=True)
class PlansAhead:
    """The plans of the next levels, made together with a plan that has nothing to compute."""

    plans: tuple[Plan, ...] = ()


@dataclass(frozen=True, kw_only=True)
class References:
    """What one run calibrates with: the context, resolved, and the files synced for it."""

    context: str  # jwst_1464.pmap
    server: str
    files: dict[str, str]  # name -> sha1
    offered: str = ""  # the context that the config's policy means now, if it is held at another


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a run's publication came to."""

    generation: int  # the current one, after it
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a job leaves when its batch is done: what it made, and what failed."""

    versions: tuple[Version, ...] = ()  # of a fetch
    results: tuple[Result, ...] = ()  # of a calibration; also those found already there
    computed: tuple[str, ...] = ()  # keys that were really computed by this job
    spent: tuple[Spent, ...] = ()  # on each stage that this job ran
    failures: tuple[Failure, ...] = ()
    downloaded: int = 0  # bytes


@dataclass(frozen=True, kw_only=True)
class Record:
    """How one result was made: the derivation that its key is the sha256 of, and what it gave."""

    key: str
    derivation: Derivation
    files: tuple[ResultFile, ...]
    seconds: float
    peak_memory: int  # bytes
    made_at: str  # ISO, UTC
    software: dict[str, str] = field(default_factory=dict)  # name -> version; recorded, not keyed


@dataclass(frozen=True, kw_only=True)
class Output:
    """One file that a stage made."""

    path: str
    identity: str  # science identity


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a stage took, and which other software took part."""

    seconds: float
    peak_memory: int  # bytes
    software: dict[str, str] = field(default_factory=dict)  # name -> version, of what is not keyed
