"""The differences between a listing and what the mirror holds, with their reasons. Pure.

First the changes of a whole program, then the change of one product with its reasons, then the
pairing of vanished products with their successors under new names.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace

from msgspec import structs

from jwmirror.archive.evidence.signs import (
    content_differences,
    is_undisputed,
    version_after,
)
from jwmirror.archive.index import HeldIndex, HeldRow
from jwmirror.core import names
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Change, Entry, Listing, Product, Reason, stored
from jwmirror.core.model import product as kinds

TOKEN_REJECTED = "the token was rejected"


def compare_listing(
    listing: Listing,
    selected_uris: Collection[str],
    held: HeldIndex,
    has_access: bool = False,
    validators: Mapping[str, str] | None = None,
) -> tuple[Change, ...]:
    """Return the changes that turn the held files of a program into the listed and selected ones.

    Sorted by URI; the order of the arguments does not matter. Held products that are not selected
    any more change in nothing but access, and do not count as vanished. The former product of a
    restamped or renamed one does not, either. Closed products are withheld, unless there is
    `has_access`. A held product that becomes exclusive is withheld once: its bytes are kept.
    `validators`, by URI, are those of files without a checksum that the server was asked about.
    """
    listed = {product.uri: product for product in listing.products}
    for uri, validator in (validators or {}).items():
        listed[uri] = structs.replace(listed[uri], validator=validator)
    chosen, rows = set(selected_uris), held.rows
    new: list[Product] = []
    suspects: list[Product] = []
    for uri, product in listed.items():
        if row := rows.get(uri):
            if not _is_clearly_unchanged(row, product):
                suspects.append(product)
        elif uri in chosen:
            new.append(product)
    available = [product for product in new if has_access or not product.exclusive]
    absent = {uri: rows[uri] for uri in rows.keys() - listed.keys()}
    vanished = held.entries(
        [u for u, row in absent.items() if row.state == stored.PRESENT and not row.deselected]
    )
    predecessors = pair_successors(vanished.values(), available)
    replaced = {entry.upstream.uri for entry in predecessors.values()}
    gone = [entry.upstream for uri, entry in vanished.items() if uri not in replaced]
    changes = [
        *(_change_of_new(product, predecessors.get(product.uri)) for product in available),
        *(_withheld(product) for product in new if product.exclusive and not has_access),
        *(Change(kind=kinds.VANISHED, product=product) for product in gone),
        *_changes_of_held((p for p in suspects if p.uri in chosen), held, has_access),
        *_access_changes((p for p in suspects if p.uri not in chosen), held),
    ]
    return tuple(sorted(changes, key=lambda change: change.product.uri))


def _changes_of_held(
    suspects: Iterable[Product], held: HeldIndex, has_access: bool
) -> Iterator[Change]:
    """Yield the changes of selected products whose rows are not enough: their entries decide."""
    selected = {product.uri: product for product in suspects}
    for uri, entry in held.entries(selected).items():
        if change := _change_of_held(entry, selected[uri], has_access, held.generation):
            yield change


def _is_clearly_unchanged(row: HeldRow, product: Product) -> bool:
    """Return whether the row suffices to see that nothing changed, as for nearly all files."""
    if product.checksum is None:
        is_same = is_undisputed(row, product)
    else:
        is_same = row.checksum == product.checksum and row.is_stale == product.stale
    return is_same and row.state == stored.PRESENT and _has_access_of(row, product)


def _has_access_of(row: HeldRow, product: Product) -> bool:
    return row.is_exclusive is product.exclusive and row.needs_token is product.needs_token


def _access_changes(suspects: Iterable[Product], held: HeldIndex) -> Iterator[Change]:
    """Yield the changes of access to held products that are not selected any more."""
    changed = {p.uri: p for p in suspects if not _has_access_of(held.rows[p.uri], p)}
    for uri, entry in held.entries(changed).items():
        product = entry.upstream.with_access_of(changed[uri])
        reasons = _access_reasons(entry.upstream, changed[uri])
        if product.exclusive:
            yield _withheld(product, reasons)
        else:
            yield Change(kind=kinds.RELEASED, product=product, reasons=reasons)


# ---- one product -----------------------------------------------------------------------------


def _change_of_new(product: Product, predecessor: Entry | None) -> Change:
    """Return the change that a product not yet held means."""
    if predecessor is None:
        return Change(kind=kinds.NEW, product=product)
    is_association = names.parse_association(product.filename) is not None
    reason = Reason("name", predecessor.filename, product.filename)
    if predecessor.filename == product.filename:
        reason = Reason("URI", predecessor.upstream.uri, product.uri)
    return Change(
        kind=kinds.RESTAMPED if is_association else kinds.RENAMED,
        product=product,
        reasons=(reason,),
        replaces=predecessor.filename,
    )


def _change_of_held(
    entry: Entry, product: Product, has_access: bool, generation: int
) -> Change | None:
    """Return the change of a held product; None if nothing changed.

    Of a product without a checksum only the bytes, when they are here, show whether it changed.
    """
    content = content_differences(entry, product)
    sha256 = entry.sha256 if content else ""
    if not product.checksum:
        product = product.completed(entry.upstream, is_same=not content)
        product = version_after(entry, product, generation) if content else product
    reasons = (*content, *_access_reasons(entry.upstream, product))
    if not reasons and entry.state == stored.PRESENT:
        queue = _queue_reasons(entry.upstream, product)
        return Change(kind=kinds.STALE, product=product, reasons=queue) if queue else None
    is_wanted = bool(content) or entry.state == stored.GONE
    if (product.exclusive and not is_wanted) or (product.is_closed and not has_access):
        return _withheld(product, reasons)
    if entry.state == stored.GONE:
        return Change(kind=kinds.RETURNED, product=product, reasons=reasons)
    kind = kinds.REPROCESSED if content else kinds.RELEASED
    return Change(kind=kind, product=product, reasons=reasons, held=sha256)


def _withheld(product: Product, reasons: tuple[Reason, ...] = ()) -> Change:
    until = (
        Reason(product.withheld_until, "", "")
        if product.is_release_past
        else Reason("release", "", product.release_date or "unknown")
    )
    return Change(kind=kinds.WITHHELD, product=product, reasons=(*reasons, until))


def with_rejection(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes; those of withheld products say that the token was rejected."""
    return tuple(
        replace(change, reasons=(Reason(TOKEN_REJECTED, "", ""), *change.reasons))
        if change.kind == kinds.WITHHELD
        else change
        for change in changes
    )


def _queue_reasons(old: Product, new: Product) -> tuple[Reason, ...]:
    """Return the reason if MAST queued a product for reprocessing, or removed it from the queue."""
    if old.stale == new.stale or not (new.checksum or new.has_row):
        return ()
    words = {True: "queued", False: ""}
    return (Reason("reprocessing", words[old.stale], words[new.stale]),)


def _access_reasons(old: Product, new: Product) -> tuple[Reason, ...]:
    """Return the reason if the access to a product changed."""
    if (old.exclusive, old.needs_token) == (new.exclusive, new.needs_token):
        return ()
    return (Reason("access", old.access, new.access),)


# ---- products under new names ----------------------------------------------------------------


def pair_successors(vanished: Iterable[Entry], new: Iterable[Product]) -> dict[str, Entry]:
    """Return, by the URI of each new product that succeeds a vanished one, that entry; one to one.

    All: with the same file name, under another URI. Else associations and pools: of the same
    program, candidate and type, with the same counter, or else the only ones left; of several
    stamps the latest are paired. MAST changes the stamp at each reprocessing, and sometimes the
    counter (jwst issue 10868). Other products: with the same bytes, or the same name but for the
    target (jdaviz issue 3770); only where just one pair fits.
    """
    entries = {entry.upstream.uri: entry for entry in vanished}
    olds = {uri: entry.upstream for uri, entry in entries.items()}
    news = {product.uri: product for product in new}
    predecessors: dict[str, Entry] = {}
    for key_of, may_choose in _PAIRING_RULES:
        olds_by_key, news_by_key = group_by(olds.values(), key_of), group_by(news.values(), key_of)
        for key in (olds_by_key.keys() & news_by_key.keys()) - {None}:
            old = _only_or_latest(olds_by_key[key], may_choose)
            successor = _only_or_latest(news_by_key[key], may_choose)
            if old and successor:
                predecessors[successor.uri] = entries[old.uri]
                del olds[old.uri], news[successor.uri]
    return predecessors


def _only_or_latest(group: list[Product], may_choose: bool) -> Product | None:
    """Return the only product of a group, or the latest of several if `may_choose`."""
    if len(group) == 1:
        return group[0]
    return max(group, key=lambda product: product.filename) if may_choose else None


def _filename(product: Product) -> Hashable:
    return product.filename


def _series_and_counter(product: Product) -> Hashable:
    """Return all of an association's or pool's name but the stamp."""
    parts = names.parse_association(product.filename)
    return parts and (parts.series, parts.counter)


def _series(product: Product) -> Hashable:
    """Return all of an association's or pool's name but the stamp and the counter."""
    parts = names.parse_association(product.filename)
    return parts and parts.series


def _content(product: Product) -> Hashable:
    """Return the kind of file and its bytes; None for associations and pools."""
    if not product.checksum or names.parse_association(product.filename):
        return None
    return (product.observation, product.suffix, product.checksum)


def _name_without_target(product: Product) -> Hashable:
    """Return level and name without the target; None for associations and pools."""
    if names.parse_association(product.filename):
        return None
    return (product.observation, product.level, names.without_target(product.filename))


_PAIRING_RULES = (  # key of a product; whether the latest of several may be chosen
    (_filename, False),
    (_series_and_counter, True),
    (_series, False),
    (_content, False),
    (_name_without_target, False),
)
