"""Parts of a program whose listing is not believed, and what is taken in their place. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jwmirror.archive.index import HeldIndex
from jwmirror.core import names
from jwmirror.core.errors import command_to_run
from jwmirror.core.model import Change, Doubt, Listing, Product
from jwmirror.core.model.product import VANISHED, covered_by
from jwmirror.core.model.stored import PRESENT


@dataclass(frozen=True, kw_only=True)
class VanishPolicy:
    """Limit of how much may vanish at once, and programs for which the user accepted more."""

    vanish_limit: float = 0.5  # of a program's held products, 0 to 1
    accepted: Collection[int] = ()


def believed_listing(listing: Listing, doubts: Sequence[Doubt], held: HeldIndex) -> Listing:
    """Return the listing with the mirror's products where a doubt covers MAST's.

    So nothing changes there: neither what is held, nor what is listed and not held.
    """
    if not doubts:
        return listing
    is_doubted = covered_by(doubts)
    products = {product.uri: product for product in listing.products}
    doubted = {uri for uri, product in products.items() if is_doubted(product)}
    present = [uri for uri, row in held.rows.items() if row.state == PRESENT]
    for uri, entry in held.entries(present).items():
        if uri in doubted or is_doubted(entry.upstream):
            products[uri] = entry.upstream
            doubted.discard(uri)
    return replace(
        listing, products=tuple(products[uri] for uri in sorted(products.keys() - doubted))
    )


def with_closed_products(listing: Listing, held: HeldIndex, only: Sequence[str]) -> Listing:
    """Return the listing with the mirror's closed products that it lacks, of some observations."""
    listed = {product.uri for product in listing.products}
    closed = [
        uri
        for uri, row in held.rows.items()
        if (row.is_exclusive or row.needs_token) and row.state == PRESENT and uri not in listed
    ]
    absent = [entry.upstream for entry in held.entries(closed).values()]
    absent = [product for product in absent if not only or product.observation in only]
    products = sorted((*listing.products, *absent), key=lambda product: product.uri)
    return replace(listing, products=tuple(products))


def undoubted(
    changes: Iterable[Change], doubts: Sequence[Doubt], held: HeldIndex
) -> tuple[Change, ...]:
    """Return the changes of products that no doubt covers, and that replace no such product."""
    if not doubts:
        return tuple(changes)
    is_doubted = covered_by(doubts)
    former = (entry.upstream for entry in held.entries(list(held.rows)).values())
    kept = {product.filename for product in former if is_doubted(product)}
    return tuple(
        change
        for change in changes
        if not is_doubted(change.product) and change.replaces not in kept
    )


def without_vanished(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes without those of vanished products."""
    return tuple(change for change in changes if change.kind != VANISHED)


def vanish_doubts(
    listing: Listing, changes: Iterable[Change], held: HeldIndex, policy: VanishPolicy
) -> tuple[Doubt, ...]:
    """Return the parts of a program that lost too many products to be believed.

    A listing that lacks more held products than the limit, or all products of an observation or an
    instrument that the mirror has, is more likely a fault of the archive.
    """
    vanished = [change.product for change in changes if change.kind == VANISHED]
    if not vanished or policy.vanish_limit >= 1 or listing.program in policy.accepted:
        return ()
    if len(vanished) > policy.vanish_limit * held.present:
        return (_vanished_program(listing.program, len(vanished), held.present, policy),)
    return tuple(_vanished_parts(listing, vanished))


def doubts_without_rows(
    listing: Listing, held: HeldIndex, policy: VanishPolicy
) -> tuple[Doubt, ...]:
    """Return the instruments whose files had rows and checksums, and have none now.

    Their keyword table is empty, which is more likely a fault of the archive. One that could not be
    read is a doubt already. `listing` may be of some observations: their files count.
    """
    if listing.program in policy.accepted:
        return ()
    fits = [product for product in listing.products if product.filename.endswith(".fits")]
    with_rows = {product.instrument for product in fits if product.checksum}
    unread = {doubt.instrument for doubt in listing.doubts}
    without_rows = {product.instrument or "" for product in fits} - with_rows - unread - {""}
    if not without_rows:
        return ()
    rows = ((product.uri, held.rows.get(product.uri)) for product in fits)
    with_checksum = [uri for uri, row in rows if row and row.checksum]
    known = (entry.upstream for entry in held.entries(with_checksum).values())
    had_rows = {product.instrument for product in known if product.has_row}
    return tuple(
        Doubt(
            program=listing.program,
            instrument=instrument,
            why="MAST's keyword table has no row of its files; expected some, because it had some "
            "before, so nothing of it was changed; run again later; if MAST really has no rows any "
            f"more, write `accept_vanished: {listing.program}` into the config while that lasts.",
        )
        for instrument in sorted(without_rows & had_rows)
    )


def _vanished_program(program: int, vanished: int, present: int, policy: VanishPolicy) -> Doubt:
    return Doubt(
        program=program,
        why=f"MAST no longer lists {vanished} of {present} products of the mirror; expected at "
        f"most {policy.vanish_limit:.0%} (archive.vanish_limit) to vanish between two polls, so "
        f"nothing of the program was changed; {_next_step(program)}",
    )


def _vanished_parts(listing: Listing, vanished: Sequence[Product]) -> Iterator[Doubt]:
    """Yield the instruments, and the observations of others, that have no listed product.

    Candidates do not count: MAST gives them new numbers when it makes its associations again.
    """
    instruments = {product.instrument for product in listing.products}
    observations = {product.observation for product in listing.products}
    why = (
        "MAST no longer lists any product of it; expected some, because the mirror has some, so "
        f"nothing of it was changed; {_next_step(listing.program)}"
    )
    lost = sorted({p.instrument for p in vanished if p.instrument} - instruments)
    for instrument in lost:
        yield Doubt(program=listing.program, instrument=instrument, why=why)
    others = {product.observation for product in vanished if product.instrument not in lost}
    for observation in sorted(filter(names.is_observation, others - observations)):
        yield Doubt(program=listing.program, observation=observation, why=why)


def _next_step(program: int) -> str:
    return (
        "look the program up at MAST; if they are really gone, run "
        f"{command_to_run(f'accept_vanished={program}')} once."
    )
