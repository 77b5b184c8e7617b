"""An index of the upstream files that a mirror holds of one program, by URI. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.model.stored import PRESENT
from jwmirror.store.manifest import entries_of


class HeldRow(NamedTuple):
    """The values of an entry that suffice, for nearly all entries, to see that nothing changed."""

    row: int  # in the entries
    state: str
    checksum: str | None
    validator: str | None
    is_exclusive: bool
    needs_token: bool
    is_stale: bool
    deselected: str
    sha256: str
    size: int  # bytes
    listed_size: int | None  # bytes, as MAST listed them
    listed_cal_ver: str | None
    cal_ver: str | None
    siblings: str | None


COLUMNS = (  # of the fields after `row`
    *("state", "product_checksum", "product_validator"),
    *("product_exclusive", "product_needs_token", "product_stale", "deselected"),
    *("sha256", "size", "product_size", "product_listed_cal_ver", "product_cal_ver"),
    "product_siblings",
)


class HeldIndex:
    """The upstream files of one program among a mirror's entries, those of a `generation`.

    `rows` has a row for each URI. An Entry is built only where more than the row is needed.
    """

    def __init__(self, entries: Iterable[Entry], program: int, generation: int = 0):
        self.generation = generation
        self._entries = entries_of(entries).where("product_program", program)
        column = self._entries.column
        uris, origins = column("product_uri"), column("origin")
        rows = map(HeldRow, range(len(uris)), *map(column, COLUMNS))
        self.rows: dict[str, HeldRow] = {
            uri: row
            for uri, origin, row in zip(uris, origins, rows, strict=True)
            if origin == UPSTREAM
        }

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def present(self) -> int:
        """The number of selected files that had not vanished at MAST."""
        rows = self.rows.values()
        return sum(row.state == PRESENT and not row.deselected for row in rows)

    def entries(self, uris: Collection[str]) -> dict[str, Entry]:
        """Return the entries of some of the URIs."""
        entries = self._entries.rows([self.rows[uri].row for uri in uris])
        return dict(zip(uris, entries, strict=True))

    def parts(self) -> set[tuple[str, str | None]]:
        """Return the observations with the instruments that have files."""
        observations, instruments = map(
            self._entries.column, ("product_observation", "product_instrument")
        )
        return {(observations[row.row], instruments[row.row]) for row in self.rows.values()}

    def mark(self, marks: Mapping[str, str]) -> None:
        """Mark files as deselected, or as selected again ("")."""
        for uri, deselected in marks.items():
            self.rows[uri] = self.rows[uri]._replace(deselected=deselected)

    def needing_token(self) -> set[str]:
        """Return the URIs of files that were listed as public and came only with the token."""
        return {uri for uri, row in self.rows.items() if row.needs_token}
