"""Records of the kinds of products, and of how files roll up under an observation.

The fields are the keys of `jwmirror products --json`.
"""

from dataclasses import dataclass, field

Suffixes = dict[str, tuple[str, ...]]  # origin ("upstream", or a recipe) -> suffixes, sorted


@dataclass(frozen=True, kw_only=True)
class KindCount:
    """The files of one kind from one origin."""

    origin: str
    files: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ProductKind:
    """One kind of product: all files with one suffix."""

    suffix: str
    level: str  # of processing: 1b, 2a, 2b, 2c, 3; "2b, 3" if both have it; "" for other files
    meaning: str  # in words
    held: tuple[KindCount, ...]  # of each origin that has some; empty without files


@dataclass(frozen=True, kw_only=True)
class ExposureFiles:
    """The files of one exposure and detector."""

    root: str
    role: str  # in its association: science, background, psf...; "" without one
    files: Suffixes


@dataclass(frozen=True, kw_only=True)
class CombinedProduct:
    """A product of stage 3: its association, target, files and members."""

    product: str  # as the association names it
    association: str  # file name; "" if the mirror has no association of it
    pipeline: str
    target: str  # t001; "" if the name has none
    files: Suffixes
    members: tuple[ExposureFiles, ...]
    qualities: dict[str, str] = field(default_factory=dict)  # of each recipe: sound, caveat...
    recommended: tuple[str, ...] = ()  # paths in the view: of each mosaic and cube the one to use
    also_sound: tuple[str, ...] = ()  # paths of other recipes' versions that may be used
    advice: str = ""  # which version to use, in one sentence; "" without a mosaic or cube
    remarks: tuple[str, ...] = ()  # on the other versions
    is_judged: bool = False  # a recipe has made a mosaic or cube of it


@dataclass(frozen=True, kw_only=True)
class ObservationFiles:
    """The files of an observation or candidate: exposure -> association -> target."""

    program: int
    observation: str  # o001, c1001
    products: tuple[CombinedProduct, ...]  # sorted by target and name
    others: tuple[ExposureFiles, ...]  # exposures of no association of stage 3, and other files


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The kinds of products in a mirror, or the files of some observations."""

    mirror: str
    generation: int
    kinds: tuple[ProductKind, ...]
    observations: tuple[ObservationFiles, ...]  # empty unless one is asked for
    left_out: int  # files that this user may not read
