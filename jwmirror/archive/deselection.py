"""Stored files that the config does not select any more, and those that it selects again. Pure."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from jwmirror.archive.index import HeldIndex
from jwmirror.archive.selection import select_products
from jwmirror.core.model import Listing, Selection

Marks = dict[str, str]  # by URI: as Entry.deselected; "" of a file that is selected again


def deselection_marks(
    held: HeldIndex,
    listing: Listing,
    selected_uris: Collection[str],
    selections: Iterable[Selection],
    last_checked: Callable[[], str],
) -> Marks:
    """Return the marks that change in a program's stored files.

    A file that MAST does not list, also one that vanished earlier, is judged by what the mirror
    knows of it. `last_checked` returns the time of the program's poll before this one; it is called
    only if a file is deselected.
    """
    listed = {product.uri for product in listing.products}
    unlisted = [uri for uri in held.rows if uri not in listed]
    products = tuple(entry.upstream for entry in held.entries(unlisted).values())
    known = replace(listing, products=products)
    chosen = {p.uri for selection in selections for p in select_products(known, selection)}
    return _marks(held, chosen.union(selected_uris), last_checked)


def marks_without_selection(held: HeldIndex, last_checked: Callable[[], str]) -> Marks:
    """Return the marks that change in the files of a program that the config does not name."""
    return _marks(held, (), last_checked)


def _marks(held: HeldIndex, selected: Collection[str], last_checked: Callable[[], str]) -> Marks:
    changed = [uri for uri, row in held.rows.items() if (uri in selected) == bool(row.deselected)]
    checked = "" if all(uri in selected for uri in changed) else last_checked()
    return {uri: "" if uri in selected else checked for uri in changed}
