"""How a listing differs from what the mirror holds, and why. Pure: no I/O."""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping

from jwmirror.archive.index import HeldIndex, HeldRow
from jwmirror.core import names
from jwmirror.core.model import (
    GONE,
    HELD,
    NEW,
    RELEASED,
    RENAMED,
    REPROCESSED,
    RESTAMPED,
    RETURNED,
    STALE,
    VANISHED,
    WITHHELD,
    Change,
    Entry,
    Listing,
    Product,
    Reason,
)
from jwmirror.core.model.product import PEDIGREE

EVIDENCE = {  # fields that show new content -> their names in reasons
    **{field: field for field in ("checksum", "validator", "size")},
    **PEDIGREE,
}
SHORT = 8  # characters of a checksum that people see


def compare_listing(
    listing: Listing,
    selected_uris: Collection[str],
    held: HeldIndex,
    has_access: bool = False,
) -> tuple[Change, ...]:
    """The changes that turn what is held of a program into what is listed and selected.

    Sorted by URI; the order of the arguments does not matter. Of what is held and listed but no
    longer selected only the access may change. A restamped or renamed product takes its former
    name's place: that does not vanish besides. What is exclusive is withheld, unless there is
    `has_access`. A held product that becomes exclusive is withheld once: its bytes are kept.
    """
    now = {product.uri: product for product in listing.products}
    chosen = set(selected_uris)
    selected = [product for uri, product in now.items() if uri in chosen]
    seen = held.glimpses
    fresh = [product for product in selected if product.uri not in seen]
    closed = [product for product in fresh if product.exclusive and not has_access]
    arrived = [product for product in fresh if has_access or not product.exclusive]
    missing = [uri for uri in seen if uri not in now and seen[uri].state == HELD]
    gone = held.entries(missing).values()
    former = pair_successors(gone, arrived)
    replaced = {entry.product.uri for entry in former.values()}
    vanished = [entry.product for entry in gone if entry.product.uri not in replaced]
    moved = _not_plainly_same(selected, held)
    then = held.entries(moved)
    developments = (_development(then[uri], product, has_access) for uri, product in moved.items())
    changes = [
        *(_arrival(product, former.get(product.uri)) for product in arrived),
        *(_withheld(product) for product in closed),
        *(Change(kind=VANISHED, product=product) for product in vanished),
        *(change for change in developments if change),
        *_access_changes((now[uri] for uri in now.keys() - chosen), held),
    ]
    return tuple(sorted(changes, key=lambda change: change.product.uri))


def content_differences(entry: Entry, product: Product) -> tuple[Reason, ...]:
    """What shows that a product is not the held version any more; empty if it is.

    Equal checksums (or validators, where MAST keeps no checksum) settle that nothing changed;
    different ones that something did, and then the pedigree says what. Where one side knows
    neither, a difference in pedigree that both know of decides.
    """
    is_same = _is_same(entry, product)
    if is_same:
        return ()
    old = entry.product
    told = tuple(
        Reason(label, _said(old, field), _said(product, field))
        for field, label in EVIDENCE.items()
        if _said(old, field) != _said(product, field)
    )
    if is_same is None:
        return tuple(reason for reason in told if reason.old and reason.new)
    return told or (Reason("content", f"sha256:{entry.sha256}", product.validator or ""),)


def _not_plainly_same(selected: Iterable[Product], held: HeldIndex) -> dict[str, Product]:
    """The held products, by URI, that need more than a first look."""
    seen = held.glimpses
    return {
        product.uri: product
        for product in selected
        if product.uri in seen and not _is_plainly_same(seen[product.uri], product)
    }


def _is_plainly_same(glimpse: HeldRow, product: Product) -> bool:
    """Whether a first look suffices: equal checksum or ETag, access and queue, as of nearly all.

    A validator that is the sha256 of a body is for a closer look, at the bytes held.
    """
    etag = product.validator or ""
    return (
        glimpse.checksum == product.checksum
        and glimpse.state == HELD
        and (product.checksum is not None or (etag.startswith('"') and glimpse.validator == etag))
        and glimpse.is_exclusive == product.exclusive
        and glimpse.is_stale == product.stale
    )


def _is_same(entry: Entry, product: Product) -> bool | None:
    """Whether a product is the held bytes; None where the evidence cannot tell."""
    old = entry.product
    if old.checksum and product.checksum:
        return old.checksum == product.checksum
    if (product.validator or "").startswith("sha256:"):
        return product.validator == f"sha256:{entry.sha256}"
    if product.checksum:
        return False  # MAST began to keep one; of these bytes or of others, nobody can know
    if old.checksum:
        return None  # MAST's row of the file is missing; it will come back
    return old.validator == product.validator if product.validator else None


def _said(product: Product, field: str) -> str:
    value = getattr(product, field)
    return "" if value is None else str(value)


def _arrival(product: Product, former: Entry | None) -> Change:
    """The change that a product not yet held means."""
    if former is None:
        return Change(kind=NEW, product=product)
    is_association = names.association(product.filename) is not None
    return Change(
        kind=RESTAMPED if is_association else RENAMED,
        product=product,
        reasons=(Reason("name", former.filename, product.filename),),
        replaces=former.filename,
    )


def _development(entry: Entry, product: Product, has_access: bool) -> Change | None:
    """The change that a held product went through; None if there is none."""
    content, access = content_differences(entry, product), _access(entry.product, product)
    reasons = (*content, *access)
    if not reasons and entry.state == HELD:
        queue = _queue(entry.product, product)
        return Change(kind=STALE, product=product, reasons=queue) if queue else None
    if product.exclusive and not (has_access and (content or entry.state == GONE)):
        return _withheld(product, reasons)
    if entry.state == GONE:
        return Change(kind=RETURNED, product=product, reasons=reasons)
    return Change(kind=REPROCESSED if content else RELEASED, product=product, reasons=reasons)


def _queue(old: Product, new: Product) -> tuple[Reason, ...]:
    """Whether MAST began or ceased to plan a reprocessing, as a reason."""
    if old.stale == new.stale:
        return ()
    words = {True: "queued", False: ""}
    return (Reason("reprocessing", words[old.stale], words[new.stale]),)


def _access(old: Product, new: Product) -> tuple[Reason, ...]:
    """Whether access to a product changed, as a reason."""
    if old.exclusive == new.exclusive:
        return ()
    words = {True: "exclusive", False: "public"}
    return (Reason("access", words[old.exclusive], words[new.exclusive]),)


def _access_changes(unselected: Iterable[Product], held: HeldIndex) -> Iterator[Change]:
    """Yield the changes of access to held products that are not selected any more."""
    seen = held.glimpses
    moved = {
        product.uri: product
        for product in unselected
        if product.uri in seen and seen[product.uri].is_exclusive != product.exclusive
    }
    for uri, entry in held.entries(moved).items():
        product, reasons = (
            entry.product.with_access_of(moved[uri]),
            _access(entry.product, moved[uri]),
        )
        if product.exclusive:
            yield _withheld(product, reasons)
        else:
            yield Change(kind=RELEASED, product=product, reasons=reasons)


def _withheld(product: Product, reasons: tuple[Reason, ...] = ()) -> Change:
    until = Reason("release", "", product.release_date or "unknown")
    return Change(kind=WITHHELD, product=product, reasons=(*reasons, until))


def describe_change(change: Change) -> str:
    """One line for people: what happened to which file, and why."""
    reasons = ", ".join(
        f"{reason.what} {_shown(reason.old)} -> {_shown(reason.new)}" for reason in change.reasons
    )
    return f"{change.kind} {change.product.filename}{': ' if reasons else ''}{reasons}"


def _shown(value: str) -> str:
    """A value as people see it: checksums cut short."""
    bare = value.removeprefix("sha256:").strip('"')
    is_checksum = len(bare) >= 32 and all(letter in "0123456789abcdef" for letter in bare)
    return f"{bare[:SHORT]}.." if is_checksum else value or "-"


def pair_successors(gone: Iterable[Entry], fresh: Iterable[Product]) -> Mapping[str, Entry]:
    """URI of each fresh product that carries on a vanished one -> that entry; one to one.

    Associations and pools: of the same program, candidate and type, with the same counter, or
    else the only ones left; of several stamps the latest carry on. Others: with the same bytes,
    or of the same name but for the target; only where there is one such pair.
    """
    entries = {entry.product.uri: entry for entry in gone}
    olds, news = [entry.product for entry in entries.values()], list(fresh)
    found: dict[str, Entry] = {}
    for key_of, may_choose in _RULES:
        former, later = _by_key(olds, key_of), _by_key(news, key_of)
        for key in former.keys() & later.keys():
            old, new = (_heir(group[key], may_choose) for group in (former, later))
            if old and new:
                found[new.uri] = entries[old.uri]
                olds.remove(old)
                news.remove(new)
    return found


def _by_key(
    products: Iterable[Product], key_of: Callable[[Product], Hashable]
) -> dict[Hashable, list[Product]]:
    groups = defaultdict(list)
    for product in products:
        if (key := key_of(product)) is not None:
            groups[key].append(product)
    return groups


def _heir(group: list[Product], may_choose: bool) -> Product | None:
    """The one product of a group; of several the latest, if there may be a choice."""
    if len(group) == 1:
        return group[0]
    return max(group, key=lambda product: product.filename) if may_choose else None


def _numbered(product: Product) -> Hashable:
    """Of an association or pool: all but the stamp."""
    named = names.association(product.filename)
    return named and (named.series, named.counter)


def _series(product: Product) -> Hashable:
    """Of an association or pool: all but the stamp and the counter, which may change too."""
    named = names.association(product.filename)
    return named and named.series


def _content(product: Product) -> Hashable:
    """Of other products: what kind of file, with which bytes."""
    if not product.checksum or names.association(product.filename):
        return None
    return (product.observation, product.suffix, product.checksum)


def _target(product: Product) -> Hashable:
    """Of other products: the name without the target."""
    named = names.parse(product.filename)
    if named is None or names.association(product.filename):
        return None
    return (product.observation, product.level, product.suffix, names.without_target(named.root))


_RULES = ((_numbered, True), (_series, False), (_content, False), (_target, False))
