"""The rows of the next manifest, from the current ones and what a run found. Pure: no I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from msgspec import structs

from jwmirror.core.grouping import group_by
from jwmirror.core.model import (
    Change,
    Entry,
    Plan,
    Poll,
    Product,
    Receipt,
    Result,
    Version,
    canonical,
)
from jwmirror.core.model.product import STALE, VANISHED, WITHHELD
from jwmirror.core.model.quality import Quality
from jwmirror.core.model.stored import GONE, PRESENT, UPSTREAM
from jwmirror.store.manifest import Entries, entries_of


def program_folder(program: int) -> str:
    """Return the name of a program's folder: jw01345."""
    return f"jw{program:05d}"


def upstream_path(product: Product) -> str:
    """Return the path of a product in a view."""
    return f"upstream/{program_folder(product.program)}/{product.observation}/{product.filename}"


def upstream_entries(
    before: Iterable[Entry],
    poll: Poll,
    fetched: Iterable[Version],
    waiting: Collection[str] = (),
) -> Entries:
    """Return the rows of MAST's products, sorted by path: those `before` with the poll's changes.

    Entries are built only of rows that the poll names. A change of access always applies. Else a
    row stays, so that the next poll finds the change again, if its bytes did not arrive, or if its
    URI is `waiting`. A product that vanished stays, marked; and so does one that is not selected
    any more, unless the poll drops it. The new row of a restamped or renamed product replaces the
    old one, and so does that of a product with the file name of a row, which has another URI now.
    """
    before = entries_of(before)
    named = {product.uri for product in poll.confirmed} | poll.deselected.keys()
    named |= {change.product.uri for change in poll.changes}
    filenames = {name for change in poll.changes for name in _names_of_rows(change)}
    changed: list[int] = []
    unchanged: list[int] = []
    columns = map(before.column, ("product_uri", "product_filename", "deselected"))
    for row, (uri, filename, deselected) in enumerate(zip(*columns, strict=True)):
        if uri in named or (uri and filename in filenames):
            changed.append(row)
        elif uri and not (poll.drops_deselected and deselected):
            unchanged.append(row)
    return before.rows(unchanged).joined(
        _changed_rows(before.rows(changed), poll, fetched, waiting)
    )


def _changed_rows(
    before: Entries, poll: Poll, fetched: Iterable[Version], waiting: Collection[str]
) -> list[Entry]:
    """Return the rows that a poll names, as `upstream_entries`."""
    rows = {entry.upstream.uri: entry for entry in before}
    uris = {entry.filename: uri for uri, entry in rows.items()}
    arrived = {(v.product.uri, text): v for v in fetched for text in v.fingerprints}
    for product in poll.confirmed:
        if product.uri in rows:
            rows[product.uri] = replace(rows[product.uri], product=product)
    for change in poll.changes:
        uri = change.product.uri
        replaced = {uris.get(name, uri) for name in _names_of_rows(change)} - {uri}
        old = rows.get(uri)
        was_doubted = bool(old and old.product and old.product.needs_token)
        is_given = was_doubted and not change.product.needs_token  # without the token, meanwhile
        if old and old.product:  # access belongs to the product, so to all its versions
            old = replace(old, product=old.product.with_access_of(change.product))
            rows[uri] = old
        if uri in waiting and change.kind != STALE and rows.keys() & {uri, *replaced}:
            continue
        new = _row_after(change, old, arrived, is_given)
        if new is None:
            continue
        rows[uri] = new
        for other in replaced:
            rows.pop(other, None)
    for uri in poll.deselected.keys() & rows.keys():
        rows[uri] = replace(rows[uri], deselected=poll.deselected[uri])
    return [row for row in rows.values() if not (poll.drops_deselected and row.deselected)]


def _names_of_rows(change: Change) -> set[str]:
    """Return the file names of the rows that the new row of a change replaces."""
    return {change.product.filename, change.replaces or change.product.filename}


def _row_after(
    change: Change,
    old: Entry | None,
    arrived: dict[tuple[str, str], Version],
    is_given: bool,
) -> Entry | None:
    """Return the row of a product after a change; None if it has none."""
    if change.kind in (VANISHED, WITHHELD, STALE):
        if old is None or old.product is None or change.kind == WITHHELD:
            return old
        if change.kind == VANISHED:
            return replace(old, state=GONE)
        return replace(old, product=structs.replace(old.product, stale=change.product.stale))
    version = arrived.get((change.product.uri, change.product.fingerprint))
    if version is not None:
        needs_token = version.product.needs_token and not is_given
        product = structs.replace(change.product, needs_token=needs_token)
        return _row_of(version, _with_baseline(product, version, old))
    if old and old.product and old.product.fingerprint == change.product.fingerprint:
        return replace(old, state=PRESENT, product=change.product)  # returned or released
    return old


def _with_baseline(product: Product, version: Version, old: Entry | None) -> Product:
    """Return the product with what later polls compare: MD5 and ETag of its bytes.

    Where MAST has no row of it, and its bytes are those of the old row, what that says stays. If
    the server gave two ETags for these bytes, the last one is recorded as weak: it proves nothing.
    """
    known = old.product if old and old.product else product
    is_same = bool(old and old.sha256 == version.sha256)
    etag, asked = version.etag or None, product.validator or ""
    others = {etag, known.validator, asked if asked.startswith('"') else None} - {None}
    if is_same and len(others) > 1 and etag and etag.startswith('"'):
        etag = f"W/{etag}"
    if not product.checksum:
        product = product.completed(known, is_same=is_same)
    return structs.replace(
        product, checksum=product.checksum or version.md5 or None, validator=etag
    )


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
        scheme=version.scheme,
    )


def results_of_run(plans: Sequence[Plan], receipts: Sequence[Receipt]) -> tuple[Result, ...]:
    """Return the results that the plans found done or the receipts report."""
    done = (result for plan in plans for result in plan.done)
    computed = (result for receipt in receipts for result in receipt.results)
    return (*done, *computed)


def recalibrated_entries(
    before: Iterable[Entry],
    plans: Sequence[Plan],
    results: Sequence[Result],
    context: str,
    held_back: Collection[tuple[str, str]] = (),
    contexts: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Entry, ...]:
    """Return the rows of results, sorted by path.

    These are the `results` of the run, and the rows `before` of what failed, waits or is not
    published: `held_back` has recipe and key of those. Results that the config does not ask for any
    more have no row. The `results` are valid in `context`, or in that of their recipe in
    `contexts`.
    """
    published = [result for result in results if (result.recipe, result.key) not in held_back]
    rows = {
        entry.path: entry
        for result in published
        for entry in _rows_of(result, contexts.get(result.recipe, context))
    }
    finished, planned = _names_of(published), _planned(plans) | _names_of(results)
    waiting = _waiting(plans)
    for entry in before:
        result = (entry.origin, entry.result)
        product = (entry.origin, _product_of(entry))
        if result not in finished and (result in planned or product in waiting):
            rows.setdefault(entry.path, replace(entry, deselected=""))
    return tuple(sorted(rows.values(), key=lambda entry: entry.path))


def results_of_deselected_files(
    before: Iterable[Entry],
    upstream: Iterable[Entry],
    recalibrated: Iterable[Entry],
    recipes: Collection[str],
) -> tuple[Entry, ...]:
    """Return the rows of results whose upstream files stay although they are not selected, marked.

    These are results of `recipes` for which a run planned nothing: no row of `recalibrated` is of
    the same product. A result belongs to the upstream files whose names are its product
    and a suffix, or else to all of its observation.
    """
    upstream = entries_of(upstream)
    if not any(upstream.column("deselected")):
        return ()
    folders = group_by(upstream, lambda entry: _folder(entry.path))
    handled = {(entry.origin, _product_of(entry)) for entry in recalibrated}
    marked = (
        replace(entry, deselected=_mark(folders.get(_folder(entry.path), ()), _product_of(entry)))
        for entry in before
        if entry.origin in recipes and (entry.origin, _product_of(entry)) not in handled
    )
    return tuple(entry for entry in marked if entry.deselected)


def _mark(files: Iterable[Entry], product: str) -> str:
    """Return the mark of a result by the upstream files of its observation; "" without one."""
    own = [file.deselected for file in files if file.filename.startswith(f"{product}_")]
    all_files = [file.deselected for file in files]
    return max(own) if own else max(all_files) if all_files and all(all_files) else ""


def _folder(path: str) -> tuple[str, ...]:
    """Return program and observation of a path in the view."""
    return tuple(path.split("/")[-3:-1])


def _product_of(entry: Entry) -> str:
    return entry.result.partition("/")[2]


def with_quality(
    entries: Iterable[Entry], qualities: Mapping[tuple[str, str], Quality]
) -> tuple[Entry, ...]:
    """Return the rows with the quality of their results, by recipe and key."""
    return tuple(
        _with_quality(entry, qualities.get((entry.origin, entry.key))) for entry in entries
    )


def _with_quality(entry: Entry, quality: Quality | None) -> Entry:
    if quality is None:
        return entry
    caveats = canonical(quality.caveats) if quality.caveats else ""
    return replace(entry, quality=quality.word, caveats=caveats)


def result_rows(entries: Iterable[Entry]) -> tuple[Result, ...]:
    """Return the results whose files the rows are."""
    rows = group_by(
        (entry for entry in entries if entry.key), lambda entry: (entry.origin, entry.key)
    )
    return tuple(_result_of(files) for files in rows.values())


def _result_of(rows: Sequence[Entry]) -> Result:
    first = rows[0]
    pipeline, _, product = first.result.partition("/")
    *_, program, observation, _ = first.path.split("/")
    return Result(
        recipe=first.origin,
        program=int(program.removeprefix("jw")),
        observation=observation,
        pipeline=pipeline,
        product=product,
        key=first.key,
        files=tuple(row.file for row in rows),
    )


def _names_of(results: Iterable[Result]) -> set[tuple[str, str]]:
    return {(result.recipe, f"{result.pipeline}/{result.product}") for result in results}


def _planned(plans: Sequence[Plan]) -> set[tuple[str, str]]:
    """Return (recipe, pipeline/product) of every result that was to be computed, or kept."""
    return {
        (chain.recipe, f"{derivation.pipeline}{suffix}/{derivation.product}")
        for plan in plans
        for chain in plan.chains
        for derivation in chain.derivations
        for suffix in ("", *(f"_{kept}" for kept in chain.keep))
    }


def _waiting(plans: Sequence[Plan]) -> set[tuple[str, str]]:
    """Return (recipe, product) of everything that waits or was refused."""
    return {(wait.recipe, wait.product) for p in plans for wait in (*p.waits, *p.failures)}


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
