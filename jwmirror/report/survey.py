"""What MAST has of programs, by observation, before anything is mirrored. Pure.

The fields of the records are keys of `jwmirror init --json`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from jwmirror.core.grouping import group_by
from jwmirror.core.model import Listing, Product
from jwmirror.core.names import OTHER, POOL

BLANK = frozenset((None, "", "CLEAR", "MIRROR", "N/A", "NA", "UNKNOWN", "OPAQUE"))


@dataclass(frozen=True, kw_only=True)
class SurveyedObservation:
    """The selected files of one observation, or of a candidate that combines observations."""

    observation: str  # o001, c1001; pool: files of the whole program
    exposure_types: tuple[str, ...]  # NRC_IMAGE
    filters: tuple[str, ...]  # filters and gratings
    files: int
    bytes: int  # of the files whose size MAST states
    exclusive: int  # of the files
    public_from: str  # day on which the last of those becomes public; "" if MAST does not say
    stages: tuple[str, ...]  # suffixes


@dataclass(frozen=True, kw_only=True)
class ProgramSurvey:
    """What MAST has of one program, and how much of it is selected."""

    program: int
    observations: tuple[SurveyedObservation, ...]  # with selected files
    files: int  # of the program
    bytes: int
    unmatched: tuple[str, ...] = ()  # in words: criteria that no file meets
    doubts: tuple[str, ...] = ()  # in words: what could not be read

    @property
    def selected(self) -> tuple[int, int]:
        """The number of selected files, and their bytes."""
        parts = self.observations
        return sum(part.files for part in parts), sum(part.bytes for part in parts)

    @property
    def is_empty(self) -> bool:
        """True if no file of an observation is selected."""
        return all(part.observation in (POOL, OTHER) for part in self.observations)


def survey_of(
    listing: Listing, selected: Collection[Product], unmatched: Iterable[str] = ()
) -> ProgramSurvey:
    """Return the survey of a listing and of the products selected from it."""
    parts = group_by(selected, lambda product: product.observation)
    return ProgramSurvey(
        program=listing.program,
        observations=tuple(_observation(name, parts[name]) for name in sorted(parts)),
        files=len(listing.products),
        bytes=_bytes(listing.products),
        unmatched=tuple(unmatched),
        doubts=tuple(map(str, listing.doubts)),
    )


def _observation(name: str, products: Collection[Product]) -> SurveyedObservation:
    exclusive = [product for product in products if product.is_closed]
    days = [(product.release_date or "")[:10] for product in exclusive]
    return SurveyedObservation(
        observation=name,
        exposure_types=_values(product.exp_type for product in products),
        filters=_values(value for product in products for value in _elements(product)),
        files=len(products),
        bytes=_bytes(products),
        exclusive=len(exclusive),
        public_from=max(days) if days and all(days) else "",
        stages=_values(product.suffix for product in products),
    )


def _elements(product: Product) -> Iterator[str | None]:
    """Yield the filter and the grating of a product, as far as they say something."""
    yield from (value for value in (product.filter, product.grating) if value not in BLANK)


def _values(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _bytes(products: Iterable[Product]) -> int:
    return sum(product.size or 0 for product in products)
