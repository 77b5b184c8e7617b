"""What MAST holds, as it said, and how that differs from the mirror."""

from dataclasses import dataclass, field
from typing import Literal, Self

import msgspec
from msgspec import structs

PEDIGREE = {  # fields of a product that record how MAST made it -> the FITS keywords they repeat
    "cal_ver": "CAL_VER",
    "crds_ctx": "CRDS_CTX",
    "sdp_ver": "SDP_VER",
    "date": "DATE",
}
CALIBRATION = {field: PEDIGREE[field] for field in ("cal_ver", "crds_ctx")}  # jwst, references


class Product(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One file that MAST offers, as a listing described it; unknown values are None.

    There are many: a struct is made, compared and written several times faster than a dataclass.
    """

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
    def fingerprint(self) -> str:
        """What tells this version of the product from others without downloading it."""
        if self.checksum:
            return f"md5:{self.checksum}"
        if self.validator:
            return self.validator
        return f"pedigree:{self.size}/{self.cal_ver}/{self.crds_ctx}/{self.sdp_ver}/{self.date}"

    def with_access_of(self, other: Self) -> Self:
        """Return this version of the product with the access that MAST states in another."""
        return structs.replace(self, exclusive=other.exclusive, release_date=other.release_date)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What MAST said of one program at one poll: its products, one per URI, sorted by URI."""

    program: int
    asked_at: str  # ISO, UTC
    products: tuple[Product, ...]


ReasonCause = Literal["", "new", "inputs"]  # nothing was published yet; inputs were recomputed


class Reason(msgspec.Struct, frozen=True, order=True, gc=False, omit_defaults=True):
    """One difference: `what` was `old` and is `new`. The texts are for people."""

    what: str
    old: str
    new: str
    stage: str = ""  # the pipeline whose derivation differs; "" if the reason is for all
    cause: ReasonCause = ""  # only where code depends on it

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
