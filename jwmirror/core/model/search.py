"""Searches: entries of `programs` that say what to look for at MAST, and what they found."""

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from jwmirror.core.jsonio import digest
from jwmirror.core.model.product import Doubt
from jwmirror.core.model.recipe import Selection

ANY_PROGRAM = 0  # in place of the number of a program
COMMISSIONING = "COM"
EARLY_RELEASE = "ERO"  # a sub-category (SUBCAT) at MAST; the others are categories (CATEGORY)

FoundProgram = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}\Z")]
FoundPart = Annotated[str, Meta(pattern=r"^[a-z][0-9]{3,4}\Z")]  # o001, c1001...
FoundParts = dict[FoundProgram, tuple[FoundPart, ...]]  # empty: all of the program


@dataclass(frozen=True, kw_only=True)
class Cone:
    """A circle on the sky: ICRS, all values in degrees."""

    ra: float
    dec: float
    radius: float


@dataclass(frozen=True, kw_only=True)
class Search:
    """What to look for at MAST; each part that is given restricts what is found.

    What is found becomes a selection with these criteria for each program.
    """

    place: str  # of the entry, in messages: config.yaml, line 12: programs[1]
    criteria: Selection  # of the program, or ANY_PROGRAM
    targets: tuple[str, ...] = ()
    radius: float = 0.0  # degrees around each target
    position: Cone | None = None
    categories: tuple[str, ...] = ()  # ERO, ERS, GO...
    released_after: str = ""  # day, ISO: first one

    @property
    def key(self) -> str:
        """The digest of what it looks for. Its place and its other criteria are no part of it."""
        program = self.criteria.program
        where = (self.targets, self.radius, self.position)
        return digest((program, *where, self.categories, self.released_after))[:16]

    @property
    def is_of_programs(self) -> bool:
        """True if it finds whole programs, also with their later observations."""
        return not (self.targets or self.position or self.released_after)

    def __str__(self) -> str:
        program = self.criteria.program
        cone = self.position
        parts = {
            "program": str(program) if program else "",
            "targets": ", ".join(self.targets),
            "position": f"{cone.ra:g} {cone.dec:g}, {cone.radius:g} deg" if cone else "",
            "category": ", ".join(self.categories),
            "released after": self.released_after,
        }
        return "; ".join(f"{name}: {words}" for name, words in parts.items() if words)


@dataclass(frozen=True, kw_only=True)
class ResolvedTarget:
    """Where a name is on the sky, by MAST's resolver: ICRS, degrees."""

    ra: float
    dec: float
    canonical: str = ""  # the resolver's own name of it
    resolver: str = ""  # SIMBAD, NED...
    resolved_at: str = ""  # ISO, UTC


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """What searches found in the runs so far; a mirror keeps it."""

    targets: dict[str, ResolvedTarget] = field(default_factory=dict)  # by name
    found: dict[str, FoundParts] = field(default_factory=dict)  # by Search.key


@dataclass(frozen=True, kw_only=True)
class SearchAnswer:
    """What one search found: now, or in earlier runs."""

    search: Search
    found: FoundParts
    added: tuple[str, ...] = ()  # in words: new since the last run
    missing: tuple[str, ...] = ()  # in words: found in an earlier run, and not now
    doubts: tuple[Doubt, ...] = ()  # why a part of the search failed
    is_first: bool = False  # no earlier run has looked for this

    @property
    def is_sure(self) -> bool:
        """False if it may lack what MAST has: a part failed, or the first answer is empty."""
        return not self.doubts and bool(self.found or not self.is_first)

    @property
    def has_news(self) -> bool:
        """True if it found what earlier runs did not."""
        return bool(self.added or (self.is_first and self.found))
