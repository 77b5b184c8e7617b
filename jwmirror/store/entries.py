"""The rows of the next manifest, from the former ones and what a run found. Pure: no I/O."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from msgspec import structs

from jwmirror.core.model import (
    GONE,
    HELD,
    RENAMED,
    RESTAMPED,
    STALE,
    UPSTREAM,
    VANISHED,
    WITHHELD,
    Change,
    Entry,
    Plan,
    Poll,
    Product,
    Receipt,
    Result,
    Version,
)


def program_folder(program: int) -> str:
    """The name of a program's folder: jw01345."""
    return f"jw{program:05d}"


def upstream_path(product: Product) -> str:
    """Where a product stands below the view."""
    return f"upstream/{program_folder(product.program)}/{product.observation}/{product.filename}"


def upstream_entries(
    former: Sequence[Entry],
    poll: Poll,
    fetched: Iterable[Version],
    waiting: Collection[str] = (),
) -> tuple[Entry, ...]:
    """What is held of upstream now: former rows with the poll's changes applied, sorted by path.

    A change whose bytes did not arrive leaves the former row as it was but for its access, so that
    the next poll sees the change again; so does a change of one of the URIs that are `waiting`, if
    there is a former row. A product that vanished stays, marked; one that was restamped or renamed
    is replaced by its new name, and stays in the former generations.
    """
    rows = {entry.product.uri: entry for entry in former if entry.origin == UPSTREAM}
    names = {entry.filename: entry.product.uri for entry in rows.values()}
    arrived = {(version.product.uri, version.product.fingerprint): version for version in fetched}
    for change in poll.changes:
        place = names.get(change.replaces or "", change.product.uri)
        if row := rows.get(change.product.uri):  # access is the product's: of all its versions
            product = row.product.with_access_of(change.product)
            rows[change.product.uri] = replace(row, product=product)
        if change.product.uri in waiting and place in rows and change.kind != STALE:
            continue
        row = _row_after(change, rows.get(change.product.uri), arrived)
        if row is None:
            continue
        rows[change.product.uri] = row
        if change.kind in (RESTAMPED, RENAMED) and change.replaces in names:
            rows.pop(place, None)
    return tuple(sorted(rows.values(), key=lambda entry: entry.path))


def _row_after(
    change: Change, former: Entry | None, arrived: dict[tuple[str, str], Version]
) -> Entry | None:
    """The row that a change leaves for its product; None if there is none to change."""
    if change.kind == VANISHED:
        return replace(former, state=GONE) if former else None
    if change.kind == WITHHELD:
        return former
    if change.kind == STALE:
        return former and _requeued(former, change.product.stale)
    version = arrived.get((change.product.uri, change.product.fingerprint))
    if version is not None:
        return _row_of(version, change.product)
    if former and former.product.fingerprint == change.product.fingerprint:  # the same bytes
        return replace(former, state=HELD, product=change.product)
    return former


def _requeued(entry: Entry, stale: bool) -> Entry:
    return replace(entry, product=structs.replace(entry.product, stale=stale))


def _row_of(version: Version, product: Product) -> Entry:
    return Entry(
        path=upstream_path(product),
        origin=UPSTREAM,
        sha256=version.sha256,
        size=version.size,
        identity=version.identity,
        product=product,
        header=version.header,
        refusal=version.refusal,
    )


def recalibrated_entries(
    former: Sequence[Entry], plans: Sequence[Plan], receipts: Sequence[Receipt], context: str
) -> tuple[Entry, ...]:
    """What is held of recalibration now, sorted by path.

    The results that the plans found done and the receipts brought, and the former rows of what
    failed or waits. Rows of results that the config no longer asks for stay in the former
    generations only.
    """
    results = [result for plan in plans for result in plan.done]
    results += [result for receipt in receipts for result in receipt.results]
    made = {entry.path: entry for result in results for entry in _rows_of(result, context)}
    finished = {(result.recipe, f"{result.pipeline}/{result.product}") for result in results}
    asked, waiting = _asked(plans), _waiting(plans)
    for entry in former:
        here = (entry.origin, entry.result)
        product = (entry.origin, entry.result.partition("/")[2])
        if here not in finished and (here in asked or product in waiting):
            made.setdefault(entry.path, entry)
    return tuple(sorted(made.values(), key=lambda entry: entry.path))


def _asked(plans: Sequence[Plan]) -> set[tuple[str, str]]:
    """(recipe, pipeline/product) of every result that the plans wanted computed, or kept."""
    return {
        (chain.recipe, f"{derivation.pipeline}{kept}/{derivation.product}")
        for plan in plans
        for chain in plan.chains
        for derivation in chain.derivations
        for kept in ("", *(f"_{each}" for each in chain.keep))
    }


def _waiting(plans: Sequence[Plan]) -> set[tuple[str, str]]:
    """(recipe, product) of everything that waits or was refused."""
    return {(each.recipe, each.product) for p in plans for each in (*p.waits, *p.failures)}


def _rows_of(result: Result, context: str) -> Iterable[Entry]:
    folder = f"recalibrated/{result.recipe}/{program_folder(result.program)}/{result.observation}"
    return (
        Entry(
            path=f"{folder}/{file.filename}",
            origin=result.recipe,
            sha256=file.sha256,
            size=file.size,
            identity=file.identity,
            result=f"{result.pipeline}/{result.product}",
            key=result.key,
            context=context,
        )
        for file in result.files
    )
