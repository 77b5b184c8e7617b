"""Slices of Gaia: the stars that a mosaic may be aligned to, as a service listed them."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from jwmirror.core.jsonio import digest
from jwmirror.core.model.derivation import Input

ROUNDING = 1e-9  # degrees by which two ways to compute a distance may differ
SLICES = "gaia"  # folder of the records of slices, below receipts/
SAME_EPOCH = 1e-6  # years, half a minute: jwst computes epochs from days


@dataclass(frozen=True, kw_only=True)
class CatalogueCone:
    """The part of a star catalogue in a cone on the sky, with its stars moved to an epoch."""

    catalogue: str  # GAIADR3, as jwst names it in a query
    ra: float  # degrees
    dec: float  # degrees
    radius: float  # degrees
    epoch: float  # decimal year

    def distance(self, ra: float, dec: float) -> float:
        """Return the degrees between the centre and a position (degrees)."""
        south, north = math.radians(self.dec), math.radians(dec)
        across = math.sin(math.radians(ra - self.ra) / 2) ** 2
        up = math.sin((north - south) / 2) ** 2
        return math.degrees(
            2 * math.asin(math.sqrt(up + math.cos(south) * math.cos(north) * across))
        )

    def covers(self, other: "CatalogueCone") -> bool:
        """Return whether another cone is inside this one, in the same catalogue and epoch."""
        return (
            self.catalogue == other.catalogue
            and abs(self.epoch - other.epoch) < SAME_EPOCH
            and self.distance(other.ra, other.dec) + other.radius <= self.radius + ROUNDING
        )

    def __str__(self) -> str:
        return (
            f"{self.catalogue} within {self.radius:.4f} degrees of RA {self.ra:.4f}, Dec "
            f"{self.dec:+.4f} at epoch {self.epoch:.3f}"
        )


@dataclass(frozen=True, kw_only=True)
class GaiaSlice:
    """The record of a slice: its cone, its object, and where it came from."""

    cone: CatalogueCone
    sha256: str  # of the object
    size: int  # bytes
    stars: int
    url: str  # of the service
    fetched_at: str  # ISO, UTC

    @property
    def name(self) -> str:
        """The name of the slice in derivations: gaiadr3_80.0000_-69.5000_2025.884.csv."""
        cone = self.cone
        return f"{cone.catalogue.lower()}_{cone.ra:.4f}_{cone.dec:+.4f}_{cone.epoch:.3f}.csv"


class AlignedMosaic(NamedTuple):
    """A mosaic that is aligned to a catalogue of Gaia."""

    catalogue: str
    members: tuple[str, ...]  # file names of the science members; paths of the user's
    files: tuple[Input, ...]  # from which the recipe makes them

    @property
    def field(self) -> str:
        """The name of its field."""
        return mosaic_field(self.catalogue, self.members)


@dataclass(frozen=True, kw_only=True)
class GaiaSlices:
    """The slices for the mosaics of one run, by `mosaic_field`, and why others are missing."""

    found: dict[str, GaiaSlice] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # slices that were to be refreshed, and could not be


def mosaic_field(catalogue: str, members: tuple[str, ...]) -> str:
    """Return the name of the field of these science members, as in AlignedMosaic."""
    return f"{catalogue} {digest(members)}"
