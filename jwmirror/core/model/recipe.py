"""Selections, recipes and the policy on references, as the config asks for them."""

from collections.abc import Collection
from dataclasses import dataclass, field

from jwmirror.core.model.parameters import PlainValues
from jwmirror.core.names import is_observation

AUTO = "auto"  # candidates that contain a selected observation


def is_among(name: str, parts: Collection[str]) -> bool:
    """Return whether an observation or candidate may be one of some; AUTO means all candidates."""
    return name in parts or (AUTO in parts and not is_observation(name))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The products of one program to mirror; None selects all."""

    program: int
    observations: tuple[int, ...] | None = None
    candidates: tuple[str, ...] | None = None  # c1001, a3001: products of several observations
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
    exclude: tuple[str, ...] = ()  # patterns of file names that are left out
    guide_stars: bool = True
    previews: bool = True  # pictures of products
    auxiliary: bool = True  # what CAOM calls so
    is_found: bool = False  # by a search: what its program lacks, others that it found may have

    @property
    def parts(self) -> tuple[str, ...] | None:
        """The observations and candidates that are wanted (o001, c1001, auto); None if all are."""
        candidates = self.candidates or ()
        if self.observations is None:
            return None if not candidates or AUTO in candidates else candidates
        return (*(f"o{number:03d}" for number in self.observations), *candidates)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Parameters only for exposures whose header matches: {detector: NRCALONG, ...}."""

    match: dict[str, str | tuple[str, ...]]  # one value, or several that are allowed
    parameters: PlainValues  # pipeline -> step -> parameter -> value, stpipe's names


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Exposures that a recipe does not use, by their names, and the reason."""

    match: dict[str, str | tuple[str, ...]]  # as in Where; keys that a file name says
    because: str  # in the user's words


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named way to recalibrate."""

    name: str
    programs: tuple[int, ...]  # empty: all mirrored programs
    stages: tuple[int, ...] = (1, 2, 3)
    parameters: PlainValues = field(default_factory=dict)  # as in Where
    where: tuple[Where, ...] = ()
    keep: tuple[str, ...] = ()  # intermediates to keep: "ramp"
    settings: PlainValues = field(default_factory=dict)  # of one run; above all blocks
    # functions between two pipelines, by detector1..image2
    between: dict[str, tuple[str, ...]] = field(default_factory=dict)
    between_files: dict[str, tuple[str, ...]] = field(default_factory=dict)  # that these read
    python: str = ""  # of the environment with the jwst to run; "" for the running one
    select: dict[str, tuple[str, ...]] = field(default_factory=dict)  # keys as in Where: any of
    exclude: tuple[Exclusion, ...] = ()
    associations: tuple[str, ...] = ()  # the user's files; they replace the stage's others
    msa: dict[str, str] = field(default_factory=dict)  # shutter configuration: user's file instead
    context: str = ""  # of CRDS; "" for that of the run
    publish: str = "mark"  # or "hold": what happens to a result with caveats
    steps: tuple[str, ...] = ()  # run alone, instead of stages: spec3.extract_1d
    products_of: str = ""  # the recipe whose products these steps take; "" for MAST's

    def takes(self, program: int) -> bool:
        """Return whether it recalibrates exposures of a mirrored program."""
        return not self.programs or program in self.programs


@dataclass(frozen=True, kw_only=True)
class ReferencePolicy:
    """Where references come from, which ones recipes use, and the folder that contains them."""

    url: str  # of CRDS
    context: str  # latest, build, or jwst_NNNN.pmap
    on_new_context: str  # follow or hold
    cache: str
    gaia_url: str  # of the service with the stars that mosaics are aligned to
    gaia_refresh: float | None  # days after which a slice of it is fetched again; None: never
