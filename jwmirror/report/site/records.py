"""Records of what the pages of a site show. Pure."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from jwmirror.core.model.answers.citation import Citation

Level = Literal["bad", "warn", "note"]


class FileLink(msgspec.Struct, frozen=True, gc=False):
    """A file, by its suffix; without a path it is not in the view, or not for this reader."""

    suffix: str
    path: str = ""  # below the view


class RootFiles(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The files of one exposure or combined product that one origin made."""

    root: str
    origin: str  # "upstream", or the recipe's name
    files: tuple[FileLink, ...]
    cal_ver: str = ""
    crds_ctx: str = ""
    made: tuple[str, ...] = ()  # days, with the kinds of files
    quality: str = ""  # in words
    marks: tuple[str, ...] = ()  # exclusive until..., not listed any more...
    page: str = ""  # of its history
    bytes: int = 0
    number: int = 0  # of files


@dataclass(frozen=True, kw_only=True)
class Link:
    """A page of the site, and the words of the link to it; without a page, only words."""

    words: str
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing that a reader must know, and what it is about."""

    subject: str  # a file, exposure, association, program...
    why: tuple[str, ...] = ()
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class ParameterChange:
    """The newest generation with a changed parameter, and the command that shows its effect."""

    words: str
    page: str
    command: str


@dataclass(frozen=True, kw_only=True)
class NoticeGroup:
    """Notices of one kind."""

    name: str  # id in the page
    title: str
    level: Level
    notices: tuple[Notice, ...] = ()
    hidden: int = 0  # about exclusive data, which this site does not show
    command: str = "jwmirror status --all"  # that lists them

    @property
    def number(self) -> int:
        """The number of notices, with those that are not shown."""
        return len(self.notices) + self.hidden


@dataclass(frozen=True, kw_only=True)
class ReleaseDay:
    """Files whose exclusive access ends on one day."""

    day: str  # ISO; "": it is not known
    remark: str  # what else MAST says of it
    program: str  # jw01345
    observation: str  # o001
    page: str
    files: int  # of MAST
    kinds: str  # which these are: 3 uncal, 3 rate
    made: int = 0  # files that recipes made from exclusive data

    @property
    def month(self) -> str:
        """Its month: 2027-03."""
        return self.day[:7]


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One generation on the timeline."""

    number: int
    made_at: str
    causes: tuple[str, ...]  # the first ones
    more: int  # causes that are not here
    counts: dict[str, int]
    context: str
    marks: tuple[str, ...] = ()  # current, pruned, set aside, names of pins
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class ObservationSummary:
    """One observation or candidate, as one line."""

    program: str
    observation: str
    page: str
    instruments: str
    filters: str
    files: int
    bytes: int
    cal_ver: str
    crds_ctx: str
    recipes: str
    qualities: str
    attention: int
    exclusive: str
    exposures: int = 0
    hidden: int = 0  # files made from exclusive data, which the site does not show


@dataclass(frozen=True, kw_only=True)
class ProgramSummary:
    """One program, as one line."""

    program: str
    page: str
    observations: int
    files: int
    bytes: int
    recipes: str
    attention: int
    exclusive: str  # files of MAST, and made from them


@dataclass(frozen=True, kw_only=True)
class VersionCount:
    """Number of MAST's files of one suffix that were made with equal versions."""

    suffix: str
    sdp_ver: str
    cal_ver: str
    crds_ctx: str
    files: int


@dataclass(frozen=True, kw_only=True)
class ChangedFile:
    """One file that differs between a generation and its parent."""

    path: str
    kind: str  # new, changed, gone, marked
    details: str = ""  # how the version differs, in words
    page: str = ""  # of the product
    link: str = ""  # below the view, if the current generation shows these bytes


@dataclass(frozen=True, kw_only=True)
class MeasuredChange:
    """A quantity that was measured on a file before and after a change."""

    quantity: str
    old: float | None
    new: float | None
    unit: str  # "" if it has none


@dataclass(frozen=True, kw_only=True)
class RecalibratedFile:
    """A file that a recipe makes otherwise than in the generation before."""

    recipe: str
    filename: str
    pipeline: str
    page: str
    seconds: float
    quality: str
    measured: tuple[MeasuredChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SetValue:
    """A parameter whose value is not jwst's default, or not that of CRDS."""

    name: str
    value: str
    default: str  # "" if it is not known
    source: str  # your recipe, or CRDS
    crds: str = ""  # the value of CRDS's parameter reference; "" without, a dash if it is not known
    meaning: str = ""  # in jwst's own words; "" if they are not known


@dataclass(frozen=True, kw_only=True)
class GenerationPage:
    """The page of a generation."""

    number: int
    made_at: str
    run: str
    context: str
    causes: tuple[str, ...]
    parameters: tuple[str, ...]  # of the causes, those about parameters
    effects: tuple[str, ...]  # of all causes: on flags, noise and pixels
    counts: dict[str, int]
    parent: int | None
    marks: tuple[str, ...]
    earlier: int | None  # page before
    later: int | None
    files: tuple[ChangedFile, ...] = ()
    shown_of: dict[str, int] = field(default_factory=dict)  # kind -> files, where some are left out
    hidden: int = 0  # files of exclusive data
    recalibrated: tuple[RecalibratedFile, ...] = ()
    recalibrated_in_all: int = 0
    settings: dict[str, tuple[SetValue, ...]] = field(default_factory=dict)  # recipe: pipeline
    software: dict[str, str] = field(default_factory=dict)
    comparisons: tuple[object, ...] = ()  # of compare.pictures: the template knows them
    waiting: str = ""  # comparisons that are not drawn, in words
    note: str = ""  # why no files are listed


@dataclass(frozen=True, kw_only=True)
class ObservationPage:
    """The page of an observation or candidate."""

    program: str
    observation: str
    program_page: str
    earlier: Link | None
    later: Link | None
    summary: ObservationSummary
    combined: tuple[RootFiles, ...]
    exposures: tuple[RootFiles, ...]
    others: tuple[RootFiles, ...]  # associations, pools, guide stars...
    left_out: int  # lines, because there are too many
    hidden: int  # recalibrated files of exclusive data
    versions: tuple[VersionCount, ...]
    groups: tuple[NoticeGroup, ...]
    releases: tuple[ReleaseDay, ...]


@dataclass(frozen=True, kw_only=True)
class ProgramPage:
    """The page of a program."""

    program: str
    earlier: Link | None
    later: Link | None
    observations: tuple[ObservationSummary, ...]
    groups: tuple[NoticeGroup, ...]
    releases: tuple[ReleaseDay, ...]
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class ResultVersion:
    """How one recipe makes one product: what a product page shows of a derivation."""

    recipe: str
    pipeline: str
    files: tuple[FileLink, ...]
    engine: dict[str, str]
    context: str
    made_at: str
    seconds: float
    memory: int  # bytes
    quality: str
    caveats: tuple[str, ...]
    settings: tuple[SetValue, ...]
    default_note: str  # why jwst's defaults are not known
    parameters: dict[str, dict[str, str]]  # all of them, by step
    references: tuple[tuple[str, str, str], ...]
    inputs: tuple[tuple[str, str, str], ...]  # name, role, page
    steps: dict[str, str]  # step -> COMPLETE, SKIPPED, FAILED
    measured: dict[str, dict[str, float]]  # file -> quantity -> value
    units: dict[str, str]  # file -> unit of its values
    log: str  # path below the mirror; "" if it is not there
    access: str  # until when it is exclusive, in words
    excluded: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ProductEvent:
    """One change of one file in the history of a product."""

    generation: int
    made_at: str
    page: str  # of the generation
    file: str
    origin: str
    kind: str
    details: str


@dataclass(frozen=True, kw_only=True)
class ProductPage:
    """The page of one exposure or combined product that was recalibrated or changed."""

    root: str
    program: str
    observation: str
    observation_page: str
    upstream: tuple[RootFiles, ...]
    results: tuple[ResultVersion, ...]
    history: tuple[ProductEvent, ...]
    history_in_all: int
    since: str  # when its first versions arrived, in words
    comparisons: tuple[
        tuple[str, object], ...
    ] = ()  # the generation in words; as in GenerationPage
    weights: str = ""  # why resampled images differ otherwise than exposures
    waiting: str = ""


@dataclass(frozen=True, kw_only=True)
class ReleasesPage:
    """The page of what is still exclusive, and until when."""

    releases: tuple[ReleaseDay, ...]
    in_all: int
    files: int  # of MAST
    made: int  # from them


@dataclass(frozen=True, kw_only=True)
class CitationPage:
    """The page on how to cite the data."""

    citation: Citation
    identifiers: tuple[str, ...]  # public ones
    exclusive: int  # identifiers with exclusive files
    methods: tuple[tuple[str, str], ...] = ()  # recipe and paragraph, of each if there are several


@dataclass(frozen=True, kw_only=True)
class AttentionPage:
    """Everything that needs attention."""

    groups: tuple[NoticeGroup, ...]
    run: str
    generation: int


@dataclass(frozen=True, kw_only=True)
class IndexPage:
    """The first page of a site."""

    generation: int
    made_at: str
    run: str
    asked_at: str  # when MAST answered last, before the pages were written
    files: int  # that the site shows
    hidden: int  # files made from exclusive data, which it does not show
    bytes: int
    qualities: dict[str, int]
    groups: tuple[NoticeGroup, ...]
    timeline: tuple[TimelineEntry, ...]
    earlier: int  # generations that are not on the timeline
    programs: tuple[ProgramSummary, ...]
    programs_in_all: int
    releases: tuple[ReleaseDay, ...]
    releases_in_all: int
    exclusive: int  # files of MAST
    exclusive_made: int  # files made from them
    mosaics: str  # which to use, in short
    parameter_change: ParameterChange | None
    recipes: tuple[str, ...]
