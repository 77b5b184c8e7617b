"""Records of what MAST lists, and of how that differs from the mirror."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self

import msgspec
from msgspec import structs

from jwmirror.core.names import instrument_of, is_observation, observation_of, program_of

PEDIGREE = {  # fields of a product that record how MAST made it -> the FITS keywords they repeat
    "cal_ver": "CAL_VER",
    "crds_ctx": "CRDS_CTX",
    "sdp_ver": "SDP_VER",
    "date": "DATE",
}
EXPOSURE = (  # fields that describe the exposure, the same for all versions of its files
    *("release_date", "instrument", "detector", "filter", "pupil", "exp_type", "subarray"),
    *("grating", "date_obs"),
)
VERSION = ("checksum", "validator", "size", "cal_ver", "crds_ctx", "sdp_ver", "date")  # one content
SIBLINGS = ("date", "crds_ctx", "cal_ver")  # of the newest row, in one text, separated by |
NO_RELEASE = "its release date is not known"
CALIBRATION = {name: PEDIGREE[name] for name in ("cal_ver", "crds_ctx")}  # software, references


class Product(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One file that MAST offers, as described by a listing; unknown values are None.

    There are many: a struct is made, compared and written several times faster than a dataclass.
    """

    uri: str  # mast:JWST/product/<filename>
    filename: str
    program: int
    observation: str  # o001, or the candidate c1001 or a3001; pool, other
    suffix: str  # uncal, rate, cal, i2d, cat, asn, pool...
    level: int | None = None  # MAST's calib_level
    size: int | None = None  # bytes
    checksum: str | None = None  # MAST's MD5, 32 hex; None where it has no checksum (asn, ecsv)
    validator: str | None = None  # the server's ETag, or sha256:<hex> where the body was read
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
    needs_token: bool = False  # listed as public, and MAST gave it only with the token
    listed_cal_ver: str | None = None  # CAOM's: known of files without a keyword row, too
    siblings: str | None = None  # the newest row of its root, see SIBLINGS; None: not recorded
    caom_type: str | None = None  # CAOM's productType: SCIENCE, AUXILIARY, INFO, PREVIEW...

    @property
    def is_closed(self) -> bool:
        """True if others must not read it: by the listing, or by how MAST gave it."""
        return self.exclusive or self.needs_token

    @property
    def has_row(self) -> bool:
        """True if a keyword table has a row of it, so that its pedigree is known."""
        return bool(self.date or self.crds_ctx or self.sdp_ver)

    @property
    def access(self) -> str:
        """The access to it, in words."""
        if self.exclusive:
            return self.withheld_until if self.is_release_past else "exclusive"
        return (
            "exclusive (listed as public, given only with the token)"
            if self.needs_token
            else "public"
        )

    @property
    def is_release_past(self) -> bool:
        """True after its release date. MAST withheld files of ERO programs for longer."""
        return bool(self.release_date) and str(self.release_date) < datetime.now(UTC).isoformat()

    @property
    def withheld_until(self) -> str:
        """Words for when MAST will not withhold it any more; it stays closed until MAST says so."""
        if not self.release_date:
            return NO_RELEASE
        if self.is_release_past:
            date = self.release_date[:10]
            return f"MAST withholds it although its release date {date} has passed"
        return f"exclusive access until {self.release_date}"

    @property
    def fingerprint(self) -> str:
        """Text that identifies this version of the product without downloading it."""
        if self.checksum:
            return f"md5:{self.checksum}"
        if self.validator:
            return self.validator
        text = f"pedigree:{self.size}/{self.cal_ver}/{self.crds_ctx}/{self.sdp_ver}/{self.date}"
        return f"{text}/{self.siblings}" if self.siblings else text

    def completed(self, known: Self, *, is_same: bool) -> Self:
        """Return the product with what another listing said of its exposure and this one does not.

        If both have the same bytes, also with what that said of the version.
        """
        fields = (*EXPOSURE, *VERSION) if is_same else EXPOSURE
        lacking = [name for name in fields if getattr(self, name) is None]
        return structs.replace(self, **{name: getattr(known, name) for name in lacking})

    def with_access_of(self, other: Self) -> Self:
        """Return this version of the product with the access that MAST states in another."""
        return structs.replace(
            self,
            exclusive=other.exclusive,
            release_date=other.release_date,
            needs_token=other.needs_token,
        )


ReasonCause = Literal[
    "",  # not recorded
    "new",  # nothing was published yet
    "inputs",  # inputs were recomputed
    "content",  # of an input that MAST made
    "own file",  # an input of the user
    "members",  # an input is there, and was not, or the other way round
    "order",  # of the inputs, or their roles
    "parameter",
    "reference",
    "corrected",  # a reference has other content under its name
    "version",  # of a package in keys
    "code",  # of the user
    "pipeline",
]
HASH_FIELDS = ("checksum", "validator", "sha256", "key")  # what reasons call them
HASHED: tuple[ReasonCause, ...] = ("inputs", "content", "own file", "code", "corrected")  # hashes


class Reason(msgspec.Struct, frozen=True, order=True, gc=False, omit_defaults=True):
    """One difference: `what` was `old` and is `new`; or without these, a sentence.

    The texts are for people.
    """

    what: str
    old: str
    new: str
    stage: str = ""  # the pipeline whose derivation differs; "" if the reason is for all
    cause: ReasonCause = ""  # only where code depends on it
    subject: str = ""  # of a difference of derivations: the name of what differs

    @property
    def is_sentence(self) -> bool:
        """True if `what` says all."""
        return not (self.old or self.new)

    @property
    def with_hashes(self) -> str:
        """The reason in words, with the hashes of contents."""
        return self.what if self.is_sentence else f"{self.what}: {self._arrow}"

    def __str__(self) -> str:
        if self.is_sentence or not (self.cause in HASHED or self.what in HASH_FIELDS):
            return self.with_hashes
        happened = "changed" if self.old and self.new else "added" if self.new else "removed"
        return f"{self.what} {happened}"

    @property
    def _arrow(self) -> str:
        return f"{self.old or '-'} -> {self.new or '-'}"


NEW, REPROCESSED, RESTAMPED, RENAMED = "new", "reprocessed", "restamped", "renamed"
VANISHED, RETURNED, RELEASED, WITHHELD = "vanished", "returned", "released", "withheld"
STALE = "stale"  # queued at MAST for reprocessing, or no longer
IN_WORDS = {
    RESTAMPED: "under a new name (one new file, one gone)",
    VANISHED: "no longer listed (kept here)",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """The difference between a listing and the mirror in one product."""

    kind: str  # one of the nine above
    product: Product  # as now listed; as in the mirror if vanished
    reasons: tuple[Reason, ...] = ()
    replaces: str | None = None  # restamped, renamed: the former file name
    held: str = ""  # sha256 in the mirror, where MAST has other bytes, or only they show whether
    since: str = ""  # ISO, UTC: the first of the polls in a row that found it; "": this one

    @property
    def name(self) -> tuple[str, str, str]:
        """Kind, URI and version, by which another poll finds the same change."""
        return self.kind, self.product.uri, self.product.fingerprint

    @property
    def wants_bytes(self) -> bool:
        """Return whether the product has to be downloaded."""
        return self.kind in (NEW, REPROCESSED, RESTAMPED, RENAMED, RETURNED, RELEASED)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A part of a program that events named, or that a poll was limited to."""

    program: int
    observations: tuple[str, ...] = ()  # o001, c1001, auto (see Selection); empty: all of them
    instruments: tuple[str, ...] = ()  # NIRCAM; empty: all of them

    @property
    def is_limited(self) -> bool:
        """True if it is not the whole program."""
        return bool(self.observations or self.instruments)

    def includes(self, observation: str, instrument: str | None = None) -> bool:
        """Return whether a poll of this part asks for files of an observation and instrument.

        It also asks for all candidates, which combine observations, and where one is unknown.
        """
        is_own = is_observation(observation)
        return (not (self.observations and is_own) or observation in self.observations) and (
            not (self.instruments and instrument) or instrument in self.instruments
        )


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A part of a program whose listing is not believed, or could not be read, and why.

    A field that is "" limits nothing. Files of the mirror in this part keep their former state.
    """

    program: int
    why: str
    instrument: str = ""  # NIRCAM; FGS: guide stars, too
    observation: str = ""  # o001, c1001
    filename: str = ""
    since: str = ""  # ISO, UTC: the first of the polls in a row that doubt it
    search: str = ""  # in place of a program (0): the place of a search that failed in part

    @property
    def scope(self) -> str:
        """The part in words."""
        observation = f"observation {self.observation}" if self.observation else ""
        whole = self.search or f"program {self.program}"
        words = (whole, observation, self.instrument, self.filename)
        return ", ".join(filter(None, words))

    def covers(self, filename: str) -> bool:
        """Return whether a file belongs to the part, by its name alone."""
        return (
            self.program == program_of(filename)
            and self.instrument in ("", instrument_of(filename))
            and self.observation in ("", observation_of(filename))
            and self.filename in ("", filename)
        )

    def __str__(self) -> str:
        return f"{self.scope}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The products that MAST listed of one program in one poll, one per URI, sorted by URI."""

    program: int
    asked_at: str  # ISO, UTC
    products: tuple[Product, ...]
    doubts: tuple[Doubt, ...] = ()  # of what could not be read
    candidates: dict[str, tuple[str, ...]] = field(default_factory=dict)  # c1001 -> o001...
    remarks: tuple[str, ...] = ()  # in words: odd columns, cells and rows, which doubt nothing
    scope: Scope | None = None  # the part that was queried; None: the whole program


def covered_by(doubts: Collection[Doubt]) -> Callable[[Product], bool]:
    """Return a test: True if one of the doubts covers a product."""
    scopes = {(d.program, d.instrument, d.observation, d.filename) for d in doubts}

    def test(product: Product) -> bool:
        return any(
            (product.program, instrument, observation, filename) in scopes
            for filename in {"", product.filename}
            for observation in {"", product.observation}
            for instrument in {"", (product.instrument or "").upper()}
        )

    return test if scopes else lambda product: False


if TYPE_CHECKING:
    Doubts = tuple[Doubt, ...]
else:  # former versions wrote {"1345": "why"}
    Doubts = tuple[Doubt, ...] | dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Poll:
    """The listings of one run, and how they differ from the mirror.

    Where there are doubts, the listings have the mirror's products in place of MAST's.
    """

    listings: tuple[Listing, ...]
    changes: tuple[Change, ...]
    unmatched: tuple[str, ...] = ()  # selections that matched nothing
    first: tuple[int, ...] = ()  # programs that are new to the mirror
    doubts: Doubts = ()  # parts of the programs that no change was taken from
    limited_to: tuple[Scope, ...] = ()  # what events limited the poll to
    deselected: dict[str, str] = field(default_factory=dict)  # by URI: as Entry; "": selected again
    drops_deselected: bool = False  # files that the config does not select leave the view
    etag_kinds: tuple[str, ...] = ()  # strong, weak, none: of files that MAST was asked about
    other_answers: tuple[str, ...] = ()  # in words: where MAST answered otherwise than to `doctor`
    confirmed: tuple[Product, ...] = ()  # whose siblings changed, and which are the same as before
    undecided: dict[str, str] = field(default_factory=dict)  # by URI: since when, ISO
    rejected_token: str = ""  # environment variable of a token that MAST did not accept
    products_in: str = ""  # name of the file beside the poll's with the listed products; "": here
    searches: tuple[str, ...] = ()  # in words: what each search in the config found
    is_skipped: bool = False  # the config says not to ask MAST

    @property
    def programs(self) -> set[int]:
        """The programs that were polled, also those whose listing could not be read."""
        doubted = {doubt.program for doubt in self.doubts if not doubt.search}
        return {listing.program for listing in self.listings} | doubted

    @property
    def is_partial(self) -> bool:
        """True if programs of the config were not polled: of events, or without an archive."""
        return bool(self.limited_to) or self.is_skipped

    @property
    def repeated(self) -> Self:
        """The poll as the next one finds it if nothing changes, and this run did all of its work.

        Only the files that MAST withholds are found again.
        """
        changes = tuple(change for change in self.changes if change.kind == WITHHELD)
        return replace(self, changes=changes, first=(), deselected={}, confirmed=())

    def __post_init__(self) -> None:
        former: object = self.doubts
        if isinstance(former, dict):
            doubts = (Doubt(program=int(name), why=why) for name, why in former.items())
            object.__setattr__(self, "doubts", tuple(doubts))


@dataclass(frozen=True, kw_only=True)
class RefusedProduct:
    """A product whose bytes were refused by an earlier run, and that MAST lists as it did then."""

    filename: str
    version: str  # fingerprint of the product
    since: str  # ISO, UTC: when it was refused first
    until: str  # ISO, UTC: not requested again before; in the past: this run requests it
    why: str

    def __str__(self) -> str:
        return (
            f"{self.filename}: still refused since {self.since[:10]} ({self.why}); it is requested "
            "again each day, and when MAST lists another version; `archive.accept_refused` in the "
            "config takes it as it is"
        )


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The products to download, by order: jw01345-o001.<digest>."""

    products: dict[str, tuple[Product, ...]] = field(default_factory=dict)
    refused: tuple[RefusedProduct, ...] = ()  # that the mirror lacks
    held: dict[str, str] = field(default_factory=dict)  # by URI: as Change.held
