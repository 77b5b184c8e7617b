"""The vocabulary: frozen records of plain values that travel between modules."""

from dataclasses import dataclass, field
from typing import Any

from jwmirror.encoding import canonical, digest, parse, read, read_all, write  # noqa: F401

# ---- what MAST holds -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Product:
    """One file that MAST offers, as a listing described it; unknown values are None."""

    uri: str  # mast:JWST/product/<filename>
    filename: str
    program: int
    observation: str  # o001, or the candidate c1001 or a3001
    suffix: str  # uncal, rate, cal, i2d, cat, asn, pool...
    level: int | None = None  # MAST's calib_level
    size: int | None = None  # bytes
    checksum: str | None = None  # MAST's MD5, 32 hex; None where MAST keeps none (asn, pool, ecsv)
    validator: str | None = None  # where checksum is None: the server's ETag, or sha256:<hex> seen
    cal_ver: str | None = None
    crds_ctx: str | None = None
    sdp_ver: str | None = None
    date: str | None = None  # ISO, when the file was made
    exclusive: bool = False
    release_date: str | None = None  # ISO
    stale: bool = False  # queued at MAST for reprocessing
    instrument: str | None = None
    detector: str | None = None
    filter: str | None = None
    pupil: str | None = None
    exp_type: str | None = None
    subarray: str | None = None
    grating: str | None = None
    date_obs: str | None = None  # ISO, when the exposure was taken
    group: str | None = None  # CAOM's: "Minimum Recommended Products"

    @property
    def token(self) -> str:
        """What tells this version of the product from others without downloading it."""
        if self.checksum:
            return f"md5:{self.checksum}"
        if self.validator:
            return self.validator
        return f"pedigree:{self.size}/{self.cal_ver}/{self.crds_ctx}/{self.sdp_ver}/{self.date}"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What MAST said of one program at one poll: its products, one per URI, sorted by URI."""

    program: int
    asked_at: str  # ISO, UTC
    products: tuple[Product, ...]


@dataclass(frozen=True, order=True)
class Reason:
    """One thing that differs, and how: `what` was `old` and is `new`."""

    what: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.old or '-'} -> {self.new or '-'}"


NEW, REPROCESSED, RESTAMPED, RENAMED = "new", "reprocessed", "restamped", "renamed"
VANISHED, RETURNED, RELEASED, WITHHELD = "vanished", "returned", "released", "withheld"
STALE = "stale"  # queued at MAST for reprocessing, or no longer


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a listing differs from the mirror in one product."""

    kind: str  # one of the nine above
    product: Product  # as now listed; as last held if vanished
    reasons: tuple[Reason, ...] = ()
    replaces: str | None = None  # restamped, renamed: the former file name

    @property
    def wants_bytes(self) -> bool:
        """Whether there is something to download."""
        return self.kind in (NEW, REPROCESSED, RESTAMPED, RENAMED, RETURNED, RELEASED)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What of a program events named, or a poll after them asked for."""

    program: int
    observations: tuple[str, ...] = ()  # o001, c1001; empty: all of them


@dataclass(frozen=True, kw_only=True)
class Poll:
    """What one run's queries found, and how it differs from the mirror."""

    listings: tuple[Listing, ...]
    changes: tuple[Change, ...]
    unmatched: tuple[str, ...] = ()  # selections that matched nothing
    first: tuple[int, ...] = ()  # programs of which nothing was held before
    doubts: dict[str, str] = field(default_factory=dict)  # "1345" -> why not all is believed
    limited_to: tuple[Scope, ...] = ()  # all that it asked for, as events named it


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What is to be fetched, by order: jw01345-o001.<digest> -> the products."""

    products: dict[str, tuple[Product, ...]] = field(default_factory=dict)


# ---- what the mirror holds -------------------------------------------------------------------

HELD, GONE = "held", "vanished"
UPSTREAM, RAMP = "upstream", "ramp"  # the ramp is an intermediate that a recipe may keep


@dataclass(frozen=True, kw_only=True)
class Version:
    """One content of a product, whole and verified in the store."""

    product: Product
    sha256: str
    size: int  # bytes
    identity: str = ""  # science identity; of recalibration inputs (uncal, FITS) only
    header: str = ""  # canonical JSON {CRDS parameter: value}; of recalibration inputs only
    refusal: str = ""  # of an input that cannot be recalibrated: why


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One file, exposure or association that failed while the run went on."""

    name: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """One file of a result, in the store."""

    filename: str
    sha256: str
    size: int  # bytes
    identity: str  # science identity


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of a manifest: one file that people see in a generation's view."""

    path: str  # below the view: upstream/jw01345/o001/<file>, recalibrated/<recipe>/jw01345/...
    origin: str  # "upstream", or the recipe's name
    sha256: str
    size: int  # bytes
    identity: str = ""
    state: str = HELD  # "held", or "vanished" upstream and kept
    product: Product | None = None  # upstream files only
    header: str = ""  # as in Version
    refusal: str = ""  # as in Version
    result: str = ""  # recalibrated files only: <pipeline>/<product> that made it
    key: str = ""  # recalibrated files only: names provenance/<key>.json
    context: str = ""  # recalibrated files only: the CRDS context it was last found valid under

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One published, immutable state of the whole mirror: what its generation.json says."""

    number: int
    parent: int | None  # the generation that was current when it was made
    parent_sha256: str  # of the parent's generation.json; "" where there is no parent
    manifest_sha256: str
    made_at: str  # ISO, UTC
    cause: str
    counts: dict[str, int]  # files, bytes; against the parent: new, changed, marked, gone
    facts: dict[str, str]  # what the publisher wants remembered: run, CRDS context, versions...


# ---- what is asked for -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which products of one program to mirror; None selects all."""

    program: int
    observations: tuple[int, ...] | None = None
    instruments: tuple[str, ...] | None = None
    detectors: tuple[str, ...] | None = None
    exposure_types: tuple[str, ...] | None = None
    filters: tuple[str, ...] | None = None
    products: tuple[str, ...] | None = None  # suffixes; "recommended" for MAST's minimum
    gratings: tuple[str, ...] | None = None
    subarrays: tuple[str, ...] | None = None
    levels: tuple[int, ...] | None = None  # MAST's calib_level
    observed: tuple[str, str] | None = None  # first and last day, ISO; "" where open
    files: tuple[str, ...] | None = None  # shell-style patterns of file names
    exclude: tuple[str, ...] = ()  # likewise, of what is not wanted after all


@dataclass(frozen=True, kw_only=True)
class Where:
    """Parameters for just the exposures whose header matches: {detector: NRCALONG, ...}."""

    match: dict[str, str | tuple[str, ...]]  # one value, or several of which one must be it
    parameters: dict[str, Any]  # pipeline -> step -> parameter -> value, stpipe's names


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named way to recalibrate."""

    name: str
    programs: tuple[int, ...]
    stages: tuple[int, ...] = (1, 2, 3)
    parameters: dict[str, Any] = field(default_factory=dict)  # as in Where
    where: tuple[Where, ...] = ()
    keep: tuple[str, ...] = ()  # intermediates to keep: "ramp"
    settings: dict[str, Any] = field(default_factory=dict)  # of one run; above all blocks
    between: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # detector1..image2: functions
    python: str = ""  # of the environment whose jwst is to run; "" for the one that plans
    select: dict[str, tuple[str, ...]] = field(default_factory=dict)  # keys as in Where: any of
    associations: tuple[str, ...] = ()  # files of the user's own, for the stages that they are of


# ---- recalibration ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input of a derivation; an empty identity waits for the stage before it."""

    name: str  # file name the pipeline sees
    role: str  # exptype: science, background...
    identity: str = ""
    sha256: str = ""  # where the bytes are; not part of the key


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """What one result depends on; its sha256 (DESIGN: the key) names the result beforehand."""

    pipeline: str  # config's name: detector1, image2, image3, guider...
    product: str  # root of the result's file names
    engine: dict[str, str]  # jwst, stcal, stdatamodels: version
    inputs: tuple[Input, ...]  # order matters
    parameters: dict[str, Any]  # fully resolved: {parameter: value, steps: {step: {...}}}
    references: dict[str, tuple[str, str]]  # reftype -> (name, sha1); ("N/A", "") where none;
    # of the user's own files: step.parameter -> (name, sha256); where they are is not in the key
    hooks: tuple[tuple[str, str], ...] = ()  # (name, sha256 of source)


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
    reasons: tuple[Reason, ...]  # why it is out of date; Reason("new", "", "") if it never was
    keep: tuple[str, ...] = ()  # as in Recipe
    python: str = ""  # as in Recipe


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Something that cannot be calibrated now, and why."""

    recipe: str
    product: str
    why: str


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
class Ahead:
    """The plans of the next levels, as far as nothing is to be computed before them."""

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
