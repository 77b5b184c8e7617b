"""An index of the upstream files that a mirror holds of one program, by URI. Pure."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import structs

from jwmirror.core.model import Entry
from jwmirror.core.model.stored import PRESENT
from jwmirror.store.manifest import entries_of


class HeldRow(msgspec.Struct, frozen=True, gc=False):
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


_ROW = (  # columns of the fields of HeldRow after `row`
    *("state", "product_checksum", "product_validator"),
    *("product_exclusive", "product_needs_token", "product_stale", "deselected"),
    *("sha256", "size", "product_size", "product_listed_cal_ver", "product_cal_ver"),
    "product_siblings",
)
_PART = ("product_observation", "product_instrument")
COLUMNS = ("product_program", "product_uri", "origin", *_PART, *_ROW)  # that an index reads


class HeldIndex:
    """The upstream files of one program among a mirror's entries, those of a `generation`.

    `rows` has a row for each URI. `entries` needs only COLUMNS, and is not kept: an Entry is built,
    and its other columns are read, only where more than the row is needed.
    """

    def __init__(self, entries: Iterable[Entry], program: int, generation: int = 0):
        self.generation = generation
        entries = entries_of(entries)
        self._whole = entries.reader
        numbers = entries.by_program.get(program, ())
        of_program = entries.rows(numbers)
        rows = map(HeldRow, numbers, *map(of_program.column, _ROW))
        self.rows: dict[str, HeldRow] = dict(
            zip(of_program.column("product_uri"), rows, strict=True)
        )
        self._parts = set(zip(*map(of_program.column, _PART), strict=True))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def present(self) -> int:
        """The number of selected files that had not vanished at MAST."""
        rows = self.rows.values()
        return sum(row.state == PRESENT and not row.deselected for row in rows)

    def entries(self, uris: Collection[str]) -> dict[str, Entry]:
        """Return the entries of some of the URIs."""
        if not uris:
            return {}
        entries = self._whole().rows([self.rows[uri].row for uri in uris])
        return dict(zip(uris, entries, strict=True))

    def parts(self) -> set[tuple[str, str | None]]:
        """Return the observations with the instruments that have files."""
        return self._parts

    def mark(self, marks: Mapping[str, str]) -> None:
        """Mark files as deselected, or as selected again ("")."""
        for uri, deselected in marks.items():
            self.rows[uri] = structs.replace(self.rows[uri], deselected=deselected)

    def needing_token(self) -> set[str]:
        """Return the URIs of files that were listed as public and came only with the token."""
        return {uri for uri, row in self.rows.items() if row.needs_token}
