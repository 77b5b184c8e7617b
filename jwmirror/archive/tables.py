"""MAST's tables as they come: which columns there are, and of each row the cells looked at."""

from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from jwmirror.core.errors import ArchiveError

OBSERVATION_COLUMNS = ("obsid", "instrument_name", "calib_level", "proposal_id")
OFFER_COLUMNS = (
    *("dataURI", "productFilename", "obsID", "size", "calib_level"),
    *("prvversion", "dataRights", "productGroupDescription"),
)
COLUMNS = (  # asked of every keyword table
    *("checksum", "fileSize", "date_mjd", "cal_ver", "crds_ctx", "sdp_ver"),
    *("isStale", "isRestricted", "publicReleaseDate_mjd"),
    *("instrume", "detector", "exp_type", "subarray", "program", "date_obs_mjd"),
)
OWN_COLUMNS = {  # asked of one keyword table
    "Nircam": ("filename", "filter", "pupil"),
    "Niriss": ("filename", "filter", "pupil"),
    "Nirspec": ("filename", "filter", "grating"),
    "Miri": ("filename", "filter"),
    "Fgs": ("filename",),
    "GuideStar": ("fileName",),
}
ALTERNATIVES = {
    "filename": "fileName",
    "fileName": "filename",
    "date_mjd": "date",
    "publicReleaseDate_mjd": "publicReleaseDate",
    "date_obs_mjd": "date_obs",
}


def row_of(*columns: str) -> type[msgspec.Struct]:
    """A kind of row with these columns, of whatever type; None where a row lacks one."""
    return msgspec.defstruct("Row", [(name, Any, None) for name in columns], gc=False)


ObservationRow = row_of(*OBSERVATION_COLUMNS, "obs_id")
OfferRow = row_of(*OFFER_COLUMNS)
KeywordRow = row_of(
    *dict.fromkeys(chain(COLUMNS, *OWN_COLUMNS.values(), ALTERNATIVES, ALTERNATIVES.values()))
)
Row = msgspec.Struct  # any of them


class Table(NamedTuple):
    """Rows of one table, and the columns that its first row came with."""

    rows: list[Row]
    columns: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rows: Iterable[dict[str, Any]], kind: type[Row]) -> "Table":
        """Rows given as mappings."""
        rows = list(rows)
        return cls(msgspec.convert(rows, list[kind]), frozenset(*rows[:1]))

    def require(self, name: str, columns: Iterable[str]) -> None:
        """Raise ArchiveError naming the columns that the table called `name` lacks."""
        known = self.columns
        lacking = [c for c in columns if c not in known and ALTERNATIVES.get(c) not in known]
        if self.rows and lacking:
            raise ArchiveError(
                f"MAST's table {name}: expected columns {', '.join(lacking)}, found only "
                f"{', '.join(sorted(known)[:40])}; MAST changed its vocabulary, and without these "
                "columns a change could go unseen; nothing was changed; report this to jwmirror."
            )
