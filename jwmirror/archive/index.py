"""An index of the upstream files that a mirror holds of one program, by URI. Pure."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jwmirror.core.model import HELD, UPSTREAM, Entry


@runtime_checkable
class HasColumns(Protocol):
    """Entries that can be read by column, as those of a manifest can."""

    def column(self, name: str) -> list[Any]:
        """Return one column, row by row; columns of products have the prefix `product_`."""

    def rows(self, places: Sequence[int]) -> Sequence[Entry]:
        """Return the entries of some rows."""


class HeldRow(NamedTuple):
    """The values of an entry that suffice, for nearly all entries, to see that nothing changed."""

    row: int  # in the entries
    state: str
    checksum: str | None
    validator: str | None
    is_exclusive: bool
    is_stale: bool


class HeldIndex:
    """The upstream files of one program among a mirror's entries.

    `rows` has a row for each URI. An Entry is built only where more than the row is needed.
    """

    def __init__(self, entries: Sequence[Entry], program: int):
        self._entries = entries if isinstance(entries, HasColumns) else EntryColumns(entries)
        column = self._entries.column
        uris, origins = column("product_uri"), column("origin")
        rows = map(
            HeldRow,
            range(len(uris)),
            column("state"),
            column("product_checksum"),
            column("product_validator"),
            column("product_exclusive"),
            column("product_stale"),
        )
        self.rows: dict[str, HeldRow] = {
            uri: row
            for uri, origin, number, row in zip(
                uris, origins, column("product_program"), rows, strict=True
            )
            if origin == UPSTREAM and number == program
        }

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def present(self) -> int:
        """The number of files that had not vanished at MAST."""
        return sum(row.state == HELD for row in self.rows.values())

    def entries(self, uris: Collection[str]) -> dict[str, Entry]:
        """Return the entries of some of the URIs."""
        entries = self._entries.rows([self.rows[uri].row for uri in uris])
        return dict(zip(uris, entries, strict=True))

    def validators(self) -> dict[str, str | None]:
        """Return the validators, by URI, of the products without a checksum."""
        return {uri: row.validator for uri, row in self.rows.items() if not row.checksum}


class EntryColumns:
    """Entries of any sequence, read by column."""

    def __init__(self, entries: Sequence[Entry]):
        self._entries = entries

    def column(self, name: str) -> list[Any]:
        """Return one column, row by row; None where an entry has no product."""
        field = name.removeprefix("product_")
        if field == name:
            return [getattr(entry, name) for entry in self._entries]
        return [entry.product and getattr(entry.product, field) for entry in self._entries]

    def rows(self, places: Sequence[int]) -> list[Entry]:
        """Return the entries of some rows."""
        return [self._entries[place] for place in places]
