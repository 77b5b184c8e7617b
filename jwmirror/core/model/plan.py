"""Records of recalibration: plans, what waits, results and their provenance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from jwmirror.core.model.derivation import Derivation
from jwmirror.core.model.jobs.attempts import Attempt
from jwmirror.core.model.parameters import PlainValues
from jwmirror.core.model.product import Reason
from jwmirror.core.model.quality import Measurements
from jwmirror.core.model.sky.slices import GaiaSlices
from jwmirror.core.model.stored import Failure, ResultFile, Version
from jwmirror.core.names import MAPPINGS, OBSERVATORY

DEFAULT = "default of jwst"  # the origin of a parameter's value that nothing sets
NEVER_CALIBRATED = Reason("new", "", "", cause="new")
INPUTS_RECOMPUTED = Reason("its inputs change", "", "", cause="inputs")
GRISM = "grism"  # begins the names of levels that need stage 3 of direct images
LEVELS_WITHOUT_GRISMS = ("exposures", "associations-2", "associations-3")
STEPS = "steps"  # the level of steps that are run alone
# each planned after the one before
LEVELS = (*LEVELS_WITHOUT_GRISMS, f"{GRISM}-2", f"{GRISM}-3", STEPS)
NOUNS = {
    "exposures": "exposure",
    "associations": "association",
    GRISM: "grism association",
    STEPS: "single step",
}
UNLIMITED = 10**18  # threads, bytes or seconds of a partition that states no limit


@dataclass(frozen=True, kw_only=True)
class Result:
    """The files in the store that a derivation resulted in."""

    recipe: str
    program: int
    observation: str  # folder in the view: o001, c1001
    pipeline: str
    product: str
    key: str
    files: tuple[ResultFile, ...]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The stages that one recipe still has to run for one exposure or association, in order.

    The first derivation is complete. In a later one, an input without identity is the file of that
    name that the stage before makes.
    """

    recipe: str
    program: int
    observation: str
    product: str
    derivations: tuple[Derivation, ...]
    reasons: tuple[Reason, ...]  # why it is out of date
    keep: tuple[str, ...] = ()  # as in Recipe
    python: str = ""  # as in Recipe
    context: str = ""  # as in Recipe
    # estimates, of its stages one after the other
    memory: int = 0  # bytes
    seconds: float = 0.0
    written: int = 0  # bytes of its results
    # by pipeline: parameters in their form in earlier keys, where it differs
    former: dict[str, PlainValues] = field(default_factory=dict)
    # by pipeline: file names of members that the recipe excludes -> the reason
    excluded: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Spent:
    """Time and memory of one stage of one exposure or association, even if it failed."""

    pipeline: str
    product: str
    seconds: float
    peak_memory: int  # bytes


class StageTimes(msgspec.Struct, frozen=True):
    """How long the stages of one kind took in a mirror, and how long they were assumed to take."""

    stages: float  # number; many earlier ones count as fewer
    seconds: float
    assumed: float  # seconds


@dataclass(frozen=True, kw_only=True)
class Partition:
    """The largest job that a partition of a cluster takes."""

    name: str
    threads: int = UNLIMITED
    memory: int = UNLIMITED  # bytes
    seconds: int = UNLIMITED


@dataclass(frozen=True, kw_only=True)
class JobLimits:
    """How calibration is cut into jobs, and the most that one of them requests."""

    exposures: int = 1000  # exposures or associations in a job
    seconds: float = 1200.0  # that a job of several exposures should take
    threads: int = 8
    memory: float = 32e9  # bytes; a single exposure may need more
    partitions: tuple[Partition, ...] = ()  # of the site; empty: unknown


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What one job is expected to need."""

    chains: int
    threads: int  # exposures that run side by side
    memory: float  # bytes
    seconds: float
    minutes: int  # to request
    disk: int  # bytes of the work folder


WaitCause = Literal[
    "",  # not recorded, in a file of an earlier version
    "association",  # none calls for the exposure, or its file is unusable
    "unsettled",  # MAST has reprocessed only a part of an association
    "unsupported",  # jwst has no pipeline for this type of exposure
    "input",  # an input is unusable, is not mirrored, or is of another version than the others
    "failed",  # a member of the association failed
    "references",  # a reference file is not in the cache
    "catalogue",  # the slice of Gaia is not in the mirror, and was not fetched
    "request",  # parameters, hooks, or references that the context does not have
    "environment",  # the user has not allowed the recipe's environment
]


class Wait(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exposure or association that cannot be calibrated now, and why."""

    recipe: str
    product: str
    why: str  # for people
    cause: WaitCause = ""
    member: str = ""  # the member of the association that is missing, for this cause


@dataclass(frozen=True, kw_only=True)
class Unsettled:
    """An association that MAST has half updated. Its products and exposures wait."""

    association: str  # file name
    product: str  # root of the product's file names
    program: int
    why: str
    since: str  # ISO, UTC: the first poll that found it half updated
    exposures: tuple[str, ...]  # roots of the exposures that wait with it
    uris: tuple[str, ...]  # products whose published version stays


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    """An association with members that MAST does not list."""

    association: str  # file name
    absent: tuple[str, ...]  # file names


@dataclass(frozen=True, kw_only=True)
class SettleResult:
    """The associations that one run found half updated or incomplete at MAST."""

    unsettled: tuple[Unsettled, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()
    doubted: tuple[str, ...] = ()  # URIs of new associations with members that a doubt covers

    @property
    def waiting(self) -> frozenset[str]:
        """The URIs of all products whose published version stays."""
        uris = (uri for association in self.unsettled for uri in association.uris)
        return frozenset((*self.doubted, *uris))


@dataclass(frozen=True, kw_only=True)
class PartialMatch:
    """A where-block that meets only some science members of an association.

    It is not applied there.
    """

    recipe: str
    product: str
    match: str  # of the block, in words
    members: tuple[str, ...]  # file names of those that it meets
    others: tuple[str, ...]

    @property
    def why(self) -> str:
        """The members, in words."""
        return (
            f"of {self.product} it meets {', '.join(self.members)}, and not "
            f"{', '.join(self.others)}"
        )


@dataclass(frozen=True)
class ExcludedFiles:
    """The files that a recipe's `exclude` keeps out of a product, or from being calibrated."""

    recipe: str
    product: str
    files: dict[str, str]  # name -> the reason, in the user's words
    is_made: bool  # the product, of other files

    @property
    def why(self) -> str:
        """The files and reasons, in words."""
        listed = "; ".join(f"{name}: {because}" for name, because in self.files.items())
        return f"{'made without' if self.is_made else 'not made; excluded:'} {listed}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Chains to calibrate (in batches, by name), results that exist already, and what waits."""

    context: str
    engines: dict[str, dict[str, str]] = field(default_factory=dict)  # by recipe, as in Derivation
    batches: dict[str, tuple[Chain, ...]] = field(default_factory=dict)
    done: tuple[Result, ...] = ()
    waits: tuple[Wait, ...] = ()
    failures: tuple[Wait, ...] = ()  # refused: no run can calibrate them as they are
    partial_matches: tuple[PartialMatch, ...] = ()  # of where-blocks, which are not applied
    excluded: tuple[ExcludedFiles, ...] = ()
    notes: tuple[str, ...] = ()  # parts of recipes without effect, for people
    levels: tuple[str, ...] = LEVELS_WITHOUT_GRISMS  # of the run; in the plan of the first one

    @property
    def chains(self) -> tuple[Chain, ...]:
        """The chains of all batches, in order."""
        return tuple(chain for batch in self.batches.values() for chain in batch)


@dataclass(frozen=True, kw_only=True)
class PlansAhead:
    """The plans of the next levels, made together with a plan that has nothing to compute."""

    plans: tuple[Plan, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReferenceFinding:
    """Something that CRDS says about a reference or mapping that the mirror uses or used."""

    name: str
    kind: Literal["corrected", "retracted", "unverified"]
    message: str  # for people
    sha1: str = ""  # of the bytes that it is about; "": all bytes of that name
    contexts: tuple[str, ...] = ()  # of a mapping: those that include it
    is_new: bool = True  # found by this run, not by an earlier one

    @property
    def is_mapping(self) -> bool:
        """True for a mapping: no result names one, but the context of a result includes it."""
        return self.name.endswith(MAPPINGS)

    def is_about(self, references: Mapping[str, tuple[str, str]], context: str) -> bool:
        """Return whether a result used the file: by its references and the context it was valid in.

        A mapping counts for all references of its instrument and type, because the header that
        decided is not known here.
        """
        if not self.is_mapping:
            return any(
                name == self.name and self.sha1 in ("", sha1) for name, sha1 in references.values()
            )
        _, *parts = self.name.rpartition("_")[0].split("_")  # jwst_nircam_flat_0001.rmap
        instrument, kind = [*parts, "", ""][:2]
        names = [name for name, _ in references.values()]
        return (
            context in self.contexts
            and (not kind or kind in references)
            and any(name.startswith(f"{OBSERVATORY}_{instrument}") for name in names)
        )


@dataclass(frozen=True, kw_only=True)
class AffectedResult:
    """A result of the kept generations that a finding or an invalidation is about."""

    recipe: str
    result: str  # <pipeline>/<product>
    key: str
    context: str  # under which these generations found it valid
    generations: tuple[int, ...]  # that show it


@dataclass(frozen=True, kw_only=True)
class References:
    """The CRDS context of one run, and the files that were synced for it."""

    context: str  # jwst_1464.pmap
    server: str
    files: dict[str, str]  # reference -> sha1
    mappings: dict[str, str] = field(default_factory=dict)  # of the context -> sha1
    offered: str = ""  # the context that the config asks for, if another one is kept
    findings: tuple[ReferenceFinding, ...] = ()  # new ones, and earlier ones that still hold
    unwatched: str = ""  # why the files were not compared with the server's list, if so
    gaia: GaiaSlices = field(default_factory=GaiaSlices)
    # contexts that only recipes name, and that could not be synced -> why
    missing_contexts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Published:
    """The outcome of a run's publication."""

    generation: int  # the current one, after it; while the view is held, the newest one
    is_new: bool
    recipes: tuple[str, ...] = ()  # their names in the order of the config


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The results and failures of one job, written when its batch is done."""

    versions: tuple[Version, ...] = ()  # of a fetch
    results: tuple[Result, ...] = ()  # of a calibration; also those that existed already
    computed: tuple[str, ...] = ()  # keys of results that this job computed
    spent: tuple[Spent, ...] = ()  # on each stage that this job ran
    failures: tuple[Failure, ...] = ()
    downloaded: int = 0  # bytes
    attempts: tuple[Attempt, ...] = ()  # of a calibration; the last one wrote this


@dataclass(frozen=True, kw_only=True)
class ProvenanceRecord:
    """Provenance of one result: its derivation, whose sha256 is the key, and its files."""

    key: str
    derivation: Derivation
    files: tuple[ResultFile, ...]
    seconds: float
    peak_memory: int  # bytes
    made_at: str  # ISO, UTC
    software: dict[str, str] = field(default_factory=dict)  # name -> version; recorded, not keyed
    measurements: Measurements | None = None  # None: recorded by a jwmirror without them
    replaced: str = ""  # key of the result that was published when this one was computed
    # members of the association that the recipe excluded -> the reason; not in the key
    excluded: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Invalidation:
    """The mark of a result that must not be used again."""

    key: str
    because: str  # in the user's words; "" without a reason
    at: str  # ISO, UTC


@dataclass(frozen=True, kw_only=True)
class Output:
    """One file that a stage wrote."""

    path: str
    identity: str  # science identity


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time and memory that a stage used, and the versions of other software."""

    seconds: float
    peak_memory: int  # bytes
    software: dict[str, str] = field(default_factory=dict)  # name -> version; not part of the key


def level_in_words(level: str, number: int | None = None) -> str:
    """Return what a level has, or a number of it: exposures, 3 associations of stage 2."""
    kind, _, stage = level.partition("-")
    noun = NOUNS[kind] + "s" * (number != 1)
    words = noun if number is None else f"{number:,} {noun}"
    return f"{words} of stage {stage}" if stage else words
