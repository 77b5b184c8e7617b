"""Listings: all that MAST holds of one program, one record per file, with its pedigree."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from jwmirror.archive import rows as mast_rows
from jwmirror.archive.portal import TIMEOUT_S, TIMEOUTS, Portal
from jwmirror.archive.rows import NO_ROW, CaomObservation, CaomProduct, KeywordRecord
from jwmirror.core import names
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Listing, Product
from jwmirror.net.http import Timeouts

GROUP = 10  # observations whose products are asked for at once: large joins time out at MAST
TABLES = {  # CAOM's instruments, and the keyword table of each
    "NIRCAM": "Nircam",
    "NIRSPEC": "Nirspec",
    "NIRISS": "Niriss",
    "MIRI": "Miri",
    "FGS": "Fgs",
}
GUIDE_STARS = "GuideStar"

log = logging.getLogger(__name__)


def query_listing(
    url: str,
    program: int,
    token: str | None = None,
    timeout_s: float = TIMEOUT_S,
    timeouts: Timeouts = TIMEOUTS,
    may_be_empty: bool = False,
    only: Collection[str] = (),
) -> Listing:
    """What the MAST server at `url` holds of a program; ArchiveError unless all of it came.

    That MAST knows no such program is an error too, unless the listing `may_be_empty`. Some
    observations (o001, c1001) `only` are asked for, and listed, if there are any.
    astroquery talks to one server per process: the first that it was asked for.
    """
    asked_at = datetime.now(UTC).isoformat(timespec="seconds")
    portal = Portal(url, token, timeout_s, timeouts)
    observations = mast_rows.read_observations(portal.observations(program), program)
    if not observations and not may_be_empty:
        raise ArchiveError(
            f"MAST at {url} knows no JWST program {program}: expected observations, got none; "
            "correct its number in the config (without leading zeros: YAML takes 01345 for 741)."
        )
    if only:
        observations = [
            each for each in observations if names.observation(each.name) in (*only, "")
        ]
    offers = _offers(portal, observations)
    if only:
        offers = [each for each in offers if names.observation(each.filename) in only]
    rows = _keywords(portal, program, observations, offers, only)
    listing = assemble_listing(program, asked_at, observations, offers, rows)
    of_some = f", {', '.join(sorted(only))}" if only else ""
    log.info("MAST lists %d products of program %d%s", len(listing.products), program, of_some)
    return listing


def _offers(portal: Portal, observations: Iterable[CaomObservation]) -> list[CaomProduct]:
    obsids = sorted({each.obsid for each in observations if not each.is_planned})
    groups = [obsids[start : start + GROUP] for start in range(0, len(obsids), GROUP)]
    return [offer for group in groups for offer in mast_rows.read_products(portal.products(group))]


def _keywords(
    portal: Portal,
    program: int,
    observations: Iterable[CaomObservation],
    offers: Sequence[CaomProduct],
    only: Collection[str],
) -> list[KeywordRecord]:
    """The rows of every table that should have some; ArchiveError if one has none at all."""
    instruments = {each.obsid: each.instrument for each in observations}
    fits = [offer for offer in offers if offer.filename.endswith(".fits")]
    tables: dict[str, set[str]] = defaultdict(set)
    for offer in fits:
        if table := _table(offer, instruments):
            tables[table].add(offer.filename)
    rows: list[KeywordRecord] = []
    for table, filenames in sorted(tables.items()):
        found = _rows_of(portal, table, program, only, filenames)
        if not found:
            raise ArchiveError(
                f"MAST's table Mast.Jwst.Filtered.{table}: expected rows of program {program}, "
                "whose FITS files MAST lists, got none; without them changes could go unseen; "
                "nothing was changed; run again later."
            )
        rows += found
    return rows


def _rows_of(
    portal: Portal, table: str, program: int, only: Collection[str], filenames: set[str]
) -> list[KeywordRecord]:
    """A table's rows of some observations, or, where a file's is not among those, of all."""
    columns = (*mast_rows.TABLE_COLUMNS[table], *mast_rows.KEYWORD_COLUMNS)
    if only and all(name.startswith("o") for name in only):
        numbers = [int(name[1:]) for name in sorted(only)]
        rows = portal.keywords(table, program, columns, numbers)
        found = mast_rows.read_keywords(rows, table, program)
        if filenames <= {row.filename for row in found}:
            return found
    return mast_rows.read_keywords(portal.keywords(table, program, columns), table, program)


def _table(offer: CaomProduct, instruments: Mapping[str, str | None]) -> str | None:
    """The keyword table that should have a row for a FITS file."""
    if names.guiding_type(offer.filename):
        return GUIDE_STARS
    return TABLES.get(instruments.get(offer.obsid) or "")


def assemble_listing(
    program: int,
    asked_at: str,
    observations: Iterable[CaomObservation],
    offers: Sequence[CaomProduct],
    rows: Iterable[KeywordRecord],
) -> Listing:
    """The listing that MAST's answers come to: one product per URI, sorted by URI. Pure.

    Left out, with a warning: names that no folder can take, and second URIs under one name. Files
    of other programs (listed because they were used with this one's) belong to those programs.
    """
    instruments = {each.obsid: each.instrument for each in observations}
    by_name = {row.filename: row for row in rows}
    relatives = _by_root(
        by_name.values(), (o.filename for o in offers if o.filename not in by_name)
    )
    products: list[Product] = []
    filenames: dict[str, str] = {}
    for offer in _once(offers):
        name = names.parse(offer.filename) if _is_sound(offer) else None
        if name is None or name.program != program:
            continue
        if filenames.setdefault(offer.filename, offer.uri) != offer.uri:
            log.warning("left out %s: %s has the same name", offer.uri, filenames[offer.filename])
            continue
        row = by_name.get(offer.filename, NO_ROW)
        like = relatives.get(name.root, NO_ROW) if row is NO_ROW else row
        products.append(_product(offer, name, row, like, instruments.get(offer.obsid)))
    _tell_unknown(products)
    return Listing(program=program, asked_at=asked_at, products=tuple(products))


def _once(offers: Iterable[CaomProduct]) -> list[CaomProduct]:
    """One row for each URI, sorted: of several the first by precedence."""
    chosen: dict[str, CaomProduct] = {}
    for offer in offers:
        other = chosen.setdefault(offer.uri, offer)
        if other is not offer and _precedence(offer) < _precedence(other):
            chosen[offer.uri] = offer
    return [chosen[uri] for uri in sorted(chosen)]


def _precedence(offer: CaomProduct) -> tuple[str, ...]:
    """Of several rows of one file, the first by this order is taken: it does not vary by poll."""
    facts = (not offer.is_withheld, offer.size, offer.level, offer.cal_ver, offer.filename)
    return (offer.uri, *map(repr, facts), offer.obsid)


def _is_sound(offer: CaomProduct) -> bool:
    sound = names.is_safe(offer.filename) and offer.uri.endswith(f"/{offer.filename}")
    if not sound:
        log.warning("left out %r: its file name %r is not safe", offer.uri, offer.filename)
    return sound


def _by_root(rows: Iterable[KeywordRecord], lacking: Iterable[str]) -> dict[str, KeywordRecord]:
    """For each exposure or combined product with files that lack a row, the first of its rows."""
    roots = {named.root for filename in lacking if (named := names.parse(filename))}
    by_root: dict[str, KeywordRecord] = {}
    for row in rows:
        root = row.filename.rpartition("_")[0]
        if root in roots and row.filename <= by_root.get(root, row).filename:
            by_root[root] = row
    return by_root


def _product(
    offer: CaomProduct,
    name: names.Name,
    row: KeywordRecord,
    like: KeywordRecord,
    instrument: str | None,
) -> Product:
    """A product, from its own row, or else as far as one of the same exposure tells, `like` it."""
    guiding = names.guiding_type(offer.filename)
    if name.observation == names.POOL:
        instrument = None  # a pool is of all of them
    return Product(  # by position, in the order of its fields: four times as fast as by name
        offer.uri,
        offer.filename,
        name.program,
        name.observation,
        name.suffix,
        offer.level,
        offer.size if row.size is None else row.size,
        row.checksum,
        None,  # the validator is seen later
        row.cal_ver if row.filename else offer.cal_ver,
        row.crds_ctx,
        row.sdp_ver,
        row.date,
        offer.is_withheld or row.is_withheld,
        like.release_date,
        row.is_stale,
        like.instrument or ("FGS" if guiding else instrument),
        like.detector,
        like.filter,
        like.pupil,
        like.exp_type or guiding,
        like.subarray,
        like.grating,
        like.date_obs,
        offer.group,
    )


def _tell_unknown(products: Iterable[Product]) -> None:
    """Warn of FITS files without a checksum: their changes are harder to see."""
    unknown = [p.filename for p in products if p.filename.endswith(".fits") and not p.checksum]
    if unknown:
        log.warning("MAST keeps no checksum of %d FITS files: %s...", len(unknown), unknown[0])
