"""The join of MAST's tables on the file name: one product for each file. Pure."""

import logging
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from msgspec import structs

from jwmirror.archive.tables import rows
from jwmirror.archive.tables.rows import CaomObservation, CaomProduct, KeywordRecord
from jwmirror.core import names
from jwmirror.core.model import Listing, Product
from jwmirror.core.model.product import SIBLINGS

STRICTEST = (True, None, False)  # what rows of one file say of its access; None: nothing
_SIBLINGS = attrgetter(*SIBLINGS)

log = logging.getLogger(__name__)


def assemble_listing(
    program: int,
    asked_at: str,
    observations: Sequence[CaomObservation],
    files: Sequence[CaomProduct],
    records: Sequence[KeywordRecord],
) -> Listing:
    """Return the listing that MAST's answers give: one product per URI, sorted by URI.

    Unsafe file names, and second URIs of one file name, are left out with a warning. Files of
    other programs, listed because this one used them, are left to those programs.
    """
    instruments = {each.obsid: each.instrument for each in observations}
    by_name = _one_per_name(records)
    exposures = Exposures(by_name.values())
    products: list[Product] = []
    unnamed: list[str] = []
    for file in _one_per_filename(_one_per_uri(files)):
        filename = file.filename
        if not names.is_safe(filename):
            log.warning("left out %.200r: its file name %.200r is not safe", file.uri, filename)
            continue
        suffix, exposure = exposures.of_file(filename)
        if exposure.program == program:
            record, instrument = by_name.get(filename), instruments.get(file.obsid)
            products.append(_product(file, suffix, exposure, record, instrument, asked_at))
        elif exposure.program is None:
            unnamed.append(filename)
    _warn_unnamed(unnamed)
    _warn_without_checksum(products)
    _warn_without_access(files, records)
    return Listing(program=program, asked_at=asked_at, products=tuple(products))


class Exposure(NamedTuple):
    """What the files of one root have in common: parts of their names, and rows."""

    program: int | None  # None: not named in the usual form
    observation: str
    first: KeywordRecord  # of its files with a row
    siblings: str  # SIBLINGS of the newest row


class Exposures:
    """The exposures of files, and the rows of their other files."""

    def __init__(self, records: Iterable[KeywordRecord]):
        self._first: dict[str, KeywordRecord] = {}  # by root
        self._newest: dict[str, KeywordRecord] = {}
        self._known: dict[str, Exposure] = {}
        for record in records:
            root, _ = names.root_and_suffix(record.filename)
            if record.filename <= self._first.setdefault(root, record).filename:
                self._first[root] = record
            if _is_newer(record, self._newest.setdefault(root, record)):
                self._newest[root] = record

    def of_file(self, filename: str) -> tuple[str, Exposure]:
        """Return the suffix of a file, and its exposure."""
        root, suffix = names.root_and_suffix(filename)
        is_usual = suffix != names.POOL and filename.startswith(f"{root}_")
        key = root if is_usual else filename
        if key not in self._known:
            program, observation = names.program_and_observation(filename)
            known = program if "." in filename else None
            first = self._first.get(root, rows.NO_RECORD)
            self._known[key] = Exposure(known, observation, first, self._siblings(root))
        return suffix, self._known[key]

    def _siblings(self, root: str) -> str:
        if root not in self._newest:
            return ""
        return "|".join([value or "" for value in _SIBLINGS(self._newest[root])])


def _one_per_filename(files: list[CaomProduct]) -> list[CaomProduct]:
    """Return one file for each name, in the same order.

    Of several URIs of one name, that of MAST's usual form counts, or else the first.
    """
    if all(file.uri == rows.URI_START + file.filename for file in files):
        return files  # so their names differ as their URIs do
    uris: dict[str, str] = {}  # by file name
    for file in files:
        uris.setdefault(file.filename, file.uri)
        if file.uri.startswith(rows.URI_START):
            uris[file.filename] = file.uri
    for file in files:
        if (uri := uris[file.filename]) != file.uri:
            log.warning("left out %.200s: %.200s has the same name", file.uri, uri)
    return [file for file in files if uris[file.filename] == file.uri]


def _one_per_uri(files: Sequence[CaomProduct]) -> list[CaomProduct]:
    """Return one row for each URI, sorted: MAST lists a file under many observations."""
    chosen = {file.uri: file for file in files}
    if len(chosen) < len(files):
        chosen.clear()
        for file in files:
            if (other := chosen.setdefault(file.uri, file)) is not file:
                chosen[file.uri] = min(file, other, key=_precedence)
    return sorted(chosen.values(), key=attrgetter("uri"))


def _precedence(file: CaomProduct) -> tuple[int, str]:
    """Return the sort key of several rows of one file, so that every poll takes the same row."""
    facts = (file.size, file.level, file.cal_ver, file.filename, file.obsid)
    return STRICTEST.index(file.is_withheld), repr((*facts, file.group, file.caom_type))


def _one_per_name(records: Sequence[KeywordRecord]) -> dict[str, KeywordRecord]:
    """Return one record for each file name."""
    by_name = {record.filename: record for record in records}
    if len(by_name) < len(records):
        by_name.clear()
        for record in records:
            other = by_name.setdefault(record.filename, record)
            by_name[record.filename] = record if other is record else _newer(record, other)
    return by_name


def _newer(one: KeywordRecord, other: KeywordRecord) -> KeywordRecord:
    """Return the newer of two rows of one file, by its DATE, withheld if either of them is.

    Without a checksum if these differ, and the dates do not show which of them is the newer.
    """
    older, newer = sorted((one, other), key=lambda r: (r.date or "", r.crds_ctx or "", repr(r)))
    is_sure = older.checksum == newer.checksum or (older.date and older.date != newer.date)
    return structs.replace(
        newer,
        checksum=newer.checksum if is_sure else None,
        is_withheld=min(older.is_withheld, newer.is_withheld, key=STRICTEST.index),
    )


def _is_exclusive(
    file: CaomProduct, record: KeywordRecord, similar: KeywordRecord, asked_at: str
) -> bool:
    """Return whether a file counts as withheld, by its row in CAOM and its record.

    Where one of the two does not say, only a release date in the past shows that it is public. A
    file without record is withheld if a `similar` one of its exposure is.
    """
    if file.is_withheld or similar.is_withheld:
        return True
    if file.is_withheld is False and (record.is_withheld is False or record is rows.NO_RECORD):
        return False
    if file.is_withheld is record.is_withheld:
        return True
    return not (record.release_date and record.release_date <= asked_at)


def _warn_unnamed(filenames: Sequence[str]) -> None:
    """Warn of files that are left out because their names are not those of products."""
    if filenames:
        words = "files left out: %d; expected a program in each name (jw01345...), found %.200r"
        log.warning(words, len(set(filenames)), min(filenames))


def _is_newer(record: KeywordRecord, other: KeywordRecord) -> bool:
    date, filename = record.date or "", record.filename
    return date > (other.date or "") or (date == (other.date or "") and filename > other.filename)


def _product(
    file: CaomProduct,
    suffix: str,
    exposure: Exposure,
    own: KeywordRecord | None,
    instrument: str | None,
    asked_at: str,
) -> Product:
    """Return a product; without a record, it has that of the exposure's first file."""
    filename, observation = file.filename, exposure.observation
    record, similar = own or rows.NO_RECORD, own or exposure.first
    if observation == names.POOL:
        instrument = None  # a pool is of all instruments
    return Product(  # by position, in the order of its fields: four times as fast as by name
        file.uri,
        filename,
        exposure.program or 0,
        observation or names.OTHER,
        suffix,
        file.level,
        file.size if record.size is None else record.size,
        record.checksum,
        None,  # the validator is added later, where it is needed
        record.cal_ver if record.filename else file.cal_ver,
        record.crds_ctx,
        record.sdp_ver,
        record.date,
        _is_exclusive(file, record, similar, asked_at),
        similar.release_date,
        record.is_stale,
        similar.instrument or names.instrument_of(filename) or instrument,
        similar.detector or names.detector_of(filename),
        similar.filter,
        similar.pupil,
        similar.exp_type or names.guiding_type(filename),
        similar.subarray,
        similar.grating,
        similar.date_obs,
        file.group,
        False,  # whether it needs the token is added later
        file.cal_ver,
        exposure.siblings,
        file.caom_type,
    )


def _warn_without_checksum(products: Iterable[Product]) -> None:
    """Warn of FITS files without a checksum: their changes are harder to see."""
    filenames = [p.filename for p in products if p.filename.endswith(".fits") and not p.checksum]
    if filenames:
        log.warning("MAST has no checksum of %d FITS files: %s...", len(filenames), filenames[0])


def _warn_without_access(files: Iterable[CaomProduct], records: Iterable[KeywordRecord]) -> None:
    """Warn of files if MAST does not say whether they are public."""
    for column, rows_of_column in (("dataRights", files), ("isRestricted", records)):
        filenames = {row.filename for row in rows_of_column if row.is_withheld is None}
        if filenames:
            log.warning(
                "MAST's column %s says nothing known of %d files, such as %s: they count as "
                "withheld, unless another column shows that they are released",
                *(column, len(filenames), min(filenames)),
            )
