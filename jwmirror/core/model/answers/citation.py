"""Records of how to cite a generation. The fields are the keys of `jwmirror cite --json`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CitedObservation:
    """The observations at MAST that an observation or candidate of a program consists of."""

    program: int
    observation: str  # o001, c1001
    identifiers: tuple[str, ...]  # obs_id at MAST: of combined products, and of exposures
    released: str  # ISO: when the last of its files is, or was, public; "" if it is not known
    exclusive: tuple[str, ...] = ()  # identifiers that have exclusive files
    target: str = ""  # its name in the proposal; "": not known, as of candidates

    @property
    def public(self) -> tuple[str, ...]:
        """The identifiers whose files are all public."""
        return tuple(name for name in self.identifiers if name not in self.exclusive)


@dataclass(frozen=True, kw_only=True)
class SetParameter:
    """One parameter that a recipe sets."""

    name: str  # detector1.jump.rejection_threshold
    value: str  # as JSON
    where: str  # for which exposures, in words; "" for all


@dataclass(frozen=True, kw_only=True)
class CitedRecipe:
    """The results of a recipe that a generation shows."""

    recipe: str
    pipelines: tuple[str, ...]
    results: int
    versions: dict[str, tuple[str, ...]]  # jwst, stcal, stdatamodels -> versions that made them
    programs: tuple[int, ...]  # whose data they were made from
    upstream: dict[str, tuple[str, ...]]  # as those of the citation, in the files that it used
    contexts: tuple[str, ...]  # of CRDS: the newest that each result was found valid under
    parameters: tuple[SetParameter, ...]
    is_recorded: bool  # False: an earlier jwmirror published it, so parameters are not listed
    # True: without parameters to which the pipeline or CRDS would have given the same value
    is_compared: bool = False
    uses_gaia: bool = False  # mosaics of it are aligned to stars of Gaia
    excluded: dict[str, str]  # exposures that it leaves out -> the reason


@dataclass(frozen=True, kw_only=True)
class Citation:
    """Everything that a paper says about the data of a generation."""

    mirror: str
    generation: int
    made_at: str  # ISO, UTC
    manifest_sha256: str  # identifies every file of the generation
    programs: tuple[int, ...]
    observations: tuple[CitedObservation, ...]
    # CAL_VER, CRDS_CTX, SDP_VER -> values in MAST's files; of some recipes, in those they used
    upstream: dict[str, tuple[str, ...]]
    recipes: tuple[CitedRecipe, ...]
    methods: str  # a paragraph in LaTeX, which cites the entries of `bibtex`
    acknowledgement: str  # in the words that MAST asks for, as LaTeX
    bibtex: tuple[str, ...]  # lines
    left_out: int  # files that this user may not read
