"""The pages of products and mosaics."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jwmirror.core.grouping import group_by
from jwmirror.core.model import Entry
from jwmirror.core.model.quality import CAVEAT
from jwmirror.core.names import root_and_suffix
from jwmirror.report.quality import caveat_text, quality_of, quality_text
from jwmirror.report.site import addresses
from jwmirror.report.site.mosaic_advice import Candidate, Differing, advice, badge, in_short, notes
from jwmirror.report.site.mosaics import Mosaic, MosaicsPage, MosaicVersion, Picture
from jwmirror.report.site.records import (
    ProductEvent,
    ProductPage,
    ResultVersion,
)
from jwmirror.services.inspect.answers.recommended import (
    RecipeOrder,
    choice_of,
    is_mosaic,
    product_of,
)
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.made_results import MadeResults, contents
from jwmirror.services.site.observations import files_by_root, root_line
from jwmirror.services.site.shown_rows import ShownRow
from jwmirror.store.rows.differences import CHANGED, MARKED

MOST_PAGES = 800  # of products
MOST_EVENTS = 200  # in a history
MOST_MOSAICS = 300  # on the page of mosaics
AFTER = {  # steps that run on a mosaic or cube when it is made, and leave it as it is
    "i2d": ("source_catalog.",),
    "s3d": ("extract_1d.", "combine_1d."),
}
MOST_TRACED = 400  # results below one mosaic
COMPARED = ("median", "noise")  # measured quantities by which versions of a mosaic are compared


@dataclass(frozen=True, kw_only=True)
class ProductEvents:
    """The changes of the files of one root, newest first, each with generation and time."""

    events: tuple[tuple[int, str, DifferingFile], ...] = ()


def changed_roots(events: Mapping[str, ProductEvents], rows: Iterable[ShownRow]) -> dict[str, int]:
    """Return the roots that get a page, with the generation of their last change.

    They were recalibrated, or MAST has changed one of their files. The newest changes come first.
    """
    last: dict[str, int] = {}
    for root, of_root in events.items():
        numbers = [n for n, _, each in of_root.events if each.kind == CHANGED or each.key]
        if numbers:
            last[root] = max(numbers)
    for row in rows:
        if row.key:
            last.setdefault(row.root, 0)
    ordered = sorted(last, key=lambda root: (-last[root], root))
    return {root: last[root] for root in ordered[:MOST_PAGES]}


def product_page(
    root: str,
    rows: Sequence[ShownRow],
    events: ProductEvents,
    results: MadeResults,
    entries: Mapping[str, Entry],
    pages: Mapping[str, str],
    comparisons: Sequence[tuple[str, object]],
    weights: str,
    waiting: str,
    details: Callable[[int, DifferingFile], str],
    is_public: bool,
) -> ProductPage:
    """Return the page of a root; `rows` and `events` are those that the site may show.

    `entries` are the rows of results with caveats, by path. `details` says how two versions
    differ in a generation.
    """
    place = rows[0].place if rows else _place(events)
    own = [row for row in rows if row.is_upstream]
    shown = events.events[:MOST_EVENTS]
    return ProductPage(
        root=root,
        program=place[0],
        observation=place[1],
        observation_page=addresses.observation_address(*place),
        upstream=tuple(
            root_line(group, lambda name: "", results.made_by, is_public)
            for group in files_by_root(own)
        ),
        results=_versions(rows, results, entries, pages),
        history=tuple(
            _event(number, made_at, each, details(number, each)) for number, made_at, each in shown
        ),
        history_in_all=len(events.events),
        since="" if shown else "No version of these files was replaced.",
        comparisons=tuple(comparisons),
        weights=weights,
        waiting=waiting,
    )


def _versions(
    rows: Sequence[ShownRow],
    results: MadeResults,
    entries: Mapping[str, Entry],
    pages: Mapping[str, str],
) -> tuple[ResultVersion, ...]:
    """Return how the results among the rows were made, by recipe, in the order of making."""
    versions = []
    made = (row for row in rows if row.key)
    for group in group_by(made, lambda row: (row.origin, row.key)).values():
        entry = entries.get(group[0].path)
        words = quality_text(quality_of(entry)) if entry else group[0].quality
        caveats = [caveat_text(caveat) for caveat in quality_of(entry).caveats] if entry else []
        if version := results.version(group, words, caveats, pages):
            versions.append(version)
    return tuple(sorted(versions, key=lambda each: (each.recipe, each.made_at)))


def _event(number: int, made_at: str, file: DifferingFile, details: str) -> ProductEvent:
    return ProductEvent(
        generation=number,
        made_at=made_at,
        page=addresses.generation_address(number),
        file=file.path.rpartition("/")[2],
        origin=file.origin,
        kind=file.kind,
        details=details,
    )


def _place(events: ProductEvents) -> tuple[str, str]:
    *_, program, observation, _ = events.events[0][2].path.split("/")
    return program, observation


def events_by_root(
    generations: Iterable[tuple[int, str, Sequence[DifferingFile]]],
) -> dict[str, ProductEvents]:
    """Return the changes of the files of each root, by root; newest generations first."""
    found: dict[str, list[tuple[int, str, DifferingFile]]] = {}
    for number, made_at, files in generations:
        for each in files:
            if each.kind != MARKED:
                root = root_and_suffix(each.path.rpartition("/")[2])[0]
                found.setdefault(root, []).append((number, made_at, each))
    return {root: ProductEvents(events=tuple(events)) for root, events in found.items()}


# ---- mosaics ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MosaicContext:
    """What the versions of mosaics are described with.

    `hidden` rows are counted, and not shown. `key_of` are keys by the content of results.
    """

    entries: Mapping[str, Entry]  # of results with caveats, by path
    results: MadeResults
    pages: Mapping[str, str]  # by root
    out_of_date: Collection[tuple[str, str]]  # recipes and products
    faults: Mapping[str, str]  # by path: why a version is not fit for use; "" if it is
    order: RecipeOrder
    held_back: Mapping[str, Sequence[str]]  # by file name: recipes whose version is not published
    hidden: Callable[[ShownRow], bool]
    pictures: Callable[[str], Mapping[str, Picture]]  # of a file: by origin
    compared: Callable[[str], str]  # of a file: where two recipes are compared on its page
    is_public: bool
    key_of: Mapping[str, str] = field(default_factory=dict)


def mosaics_of(rows: Sequence[ShownRow], context: MosaicContext) -> tuple[Mosaic, ...]:
    """Return the versions of all mosaics and cubes that the site shows, and which to use."""
    key_of = {content: row.key for row in rows if row.key for content in contents(row)}
    combined = [row for row in rows if is_mosaic(row.filename)]
    groups = group_by(combined, lambda row: (row.place, row.filename))
    shown = (group for _, group in sorted(groups.items()) if not all(map(context.hidden, group)))
    context = replace(context, key_of=key_of)
    return tuple(
        _mosaic(group, context, number < MOST_MOSAICS) for number, group in enumerate(shown)
    )


def mosaics_page(
    rows: Iterable[ShownRow],
    mosaics: Sequence[Mosaic],
    order: RecipeOrder,
    is_hidden: Callable[[ShownRow], bool],
) -> MosaicsPage:
    """Return the page of mosaics; `rows` are all that the mirror has."""
    versions = [row for row in rows if row.key and is_mosaic(row.filename)]
    recipes = {row.origin for row in versions if not is_hidden(row)}
    return MosaicsPage(
        mosaics=tuple(mosaics[:MOST_MOSAICS]),
        in_all=len(mosaics),
        short=in_short(mosaics),
        recipes=tuple(sorted(recipes, key=order.place)),
        order=order.source,
        hidden=sum(map(is_hidden, versions)),
    )


def _mosaic(rows: Sequence[ShownRow], context: MosaicContext, is_shown: bool) -> Mosaic:
    """Return one mosaic; if its page is not shown, without what takes long."""
    shown = [row for row in rows if not context.hidden(row)]
    candidates = [_candidate(row, context) for row in shown]
    hidden = len(rows) - len(shown)
    held_back = context.held_back.get(rows[0].filename, ())
    choice = choice_of(rows[0].filename, candidates, context.order, hidden, held_back)
    row_of = {row.path: row for row in shown}
    fit = [row_of[each.path] for each in choice.fit]
    if is_shown and len(fit) > 1:
        differing = _differing(fit, context) or {}
        meanings = context.results.meanings(differing, choice.fit[0].jwst)
        choice = replace(choice, differing=differing, meanings=meanings)
    ordered = [*choice.own, *([choice.mast] if choice.mast else ())]
    return Mosaic(
        filename=rows[0].filename,
        page=context.pages.get(rows[0].root, ""),
        program=rows[0].program,
        observation=rows[0].observation,
        advice=advice(choice),
        notes=notes(choice),
        choice=choice.chosen,
        versions=tuple(
            _version(row_of[each.path], context, badge(each.origin, choice), choice.differing or {})
            for each in sorted(ordered, key=lambda each: each.origin != choice.chosen)
        ),
        hidden=hidden,
        compared=context.compared(rows[0].filename) if rows[0].root in context.pages else "",
    )


def _candidate(row: ShownRow, context: MosaicContext) -> Candidate:
    fault = context.faults[row.path]
    return Candidate(
        origin=row.origin,
        path=row.path,
        fault=fault,
        content=row.identity or row.sha256,
        jwst=context.results.made_by(row.key)[0] if row.key else row.cal_ver,
        context=row.crds_ctx,
        has_caveat=bool(fault) and row.quality == CAVEAT,
        is_out_of_date=_is_out_of_date(row, context),
    )


def _is_out_of_date(row: ShownRow, context: MosaicContext) -> bool:
    product = row.origin, product_of(row.result, row.filename)
    return bool(row.key) and product in context.out_of_date


def _differing(rows: Sequence[ShownRow], context: MosaicContext) -> Differing | None:
    """Return the parameters in which versions of a mosaic differ, those of its inputs included.

    Parameters of steps that leave the mosaic as it is are left out. None if they are not known.
    """
    results, suffix = context.results, rows[0].suffix
    below = [results.parameters_below(row.key, context.key_of, MOST_TRACED) for row in rows]
    known = [values for values in below if values is not None]
    if len(known) < len(rows):
        return None
    origins = [row.origin for row in rows]
    differing = {}
    for name in sorted({name for values in known for name in values}):
        sets = [values.get(name, set()) for values in known]
        is_after = name.partition(".")[2].startswith(AFTER[suffix])
        if not is_after and any(values != sets[0] for values in sets):
            words = [" and ".join(sorted(values)) or "not set" for values in sets]
            differing[name] = dict(zip(origins, words, strict=True))
    return differing


def _version(
    row: ShownRow, context: MosaicContext, label: str, differing: Differing
) -> MosaicVersion:
    entry, results = context.entries.get(row.path), context.results
    quality = quality_of(entry) if entry else None
    version, made = results.made_by(row.key) if row.key else (row.cal_ver, row.made)
    stale = _is_out_of_date(row, context)
    found = results.measured(row.key, row.filename)
    marks = (*row.marks, *(["out of date: the next run makes it again"] if stale else []))
    if row.is_upstream:
        words = "not measured by jwmirror"
    else:
        words = quality_text(quality) if quality else row.quality
    return MosaicVersion(
        origin=row.origin,
        path="" if context.is_public and row.is_closed else row.path,
        size=row.size,
        made=made,
        versions=", ".join(filter(None, (f"jwst {version}" if version else "", row.crds_ctx))),
        quality=words,
        caveats=tuple(caveat_text(caveat) for caveat in quality.caveats) if quality else (),
        marks=marks,
        badge=label,
        measured=tuple((name, found[name]) for name in COMPARED if name in found),
        exposures=results.exposures(row.key) if row.key else 0,
        parameters=tuple(
            f"{name} {values[row.origin]}"
            for name, values in differing.items()
            if row.origin in values
        ),
        picture=context.pictures(row.filename).get(row.origin),
    )
