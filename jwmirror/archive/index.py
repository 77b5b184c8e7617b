"""What a mirror holds of one program, by URI; entries are built only of what is looked at. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jwmirror.core.model import HELD, UPSTREAM, Entry


@runtime_checkable
class HasColumns(Protocol):
    """Entries that can be read by column, as a manifest's can."""

    def column(self, name: str) -> list[Any]:
        """One column's values, row by row; those of products have the prefix `product_`."""

    def rows(self, places: Sequence[int]) -> Sequence[Entry]:
        """The entries of some rows."""


class HeldRow(NamedTuple):
    """What of an entry shows, for nearly all, that nothing happened."""

    row: int  # in the entries
    state: str
    checksum: str | None
    validator: str | None
    is_exclusive: bool
    is_stale: bool


class HeldIndex:
    """The upstream files of one program among the entries of a mirror; `glimpses` go by URI."""

    def __init__(self, entries: Sequence[Entry], program: int):
        self._entries = entries if isinstance(entries, HasColumns) else EntryColumns(entries)
        column = self._entries.column
        uris, origins = column("product_uri"), column("origin")
        facts = map(
            HeldRow,
            range(len(uris)),
            column("state"),
            column("product_checksum"),
            column("product_validator"),
            column("product_exclusive"),
            column("product_stale"),
        )
        rows = zip(uris, origins, column("product_program"), facts, strict=True)
        self.glimpses: Mapping[str, HeldRow] = {
            uri: seen
            for uri, origin, number, seen in rows
            if origin == UPSTREAM and number == program
        }

    def __len__(self) -> int:
        return len(self.glimpses)

    @property
    def present(self) -> int:
        """How many of them had not vanished."""
        return sum(seen.state == HELD for seen in self.glimpses.values())

    def entries(self, uris: Collection[str]) -> dict[str, Entry]:
        """The entries of some of the URIs."""
        entries = self._entries.rows([self.glimpses[uri].row for uri in uris])
        return dict(zip(uris, entries, strict=True))

    def validators(self) -> dict[str, str | None]:
        """The validators, by URI, of the products that MAST kept no checksum of."""
        return {uri: seen.validator for uri, seen in self.glimpses.items() if not seen.checksum}


class EntryColumns:
    """A sequence of entries, to be read as columns."""

    def __init__(self, entries: Sequence[Entry]):
        self._entries = entries

    def column(self, name: str) -> list[Any]:
        """One column's values, row by row; None where an entry has no product."""
        field = name.removeprefix("product_")
        if field == name:
            return [getattr(entry, name) for entry in self._entries]
        return [entry.product and getattr(entry.product, field) for entry in self._entries]

    def rows(self, places: Sequence[int]) -> list[Entry]:
        """The entries of some rows."""
        return [self._entries[place] for place in places]
