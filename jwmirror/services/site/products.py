"""The pages of products and mosaics."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.names import root_and_suffix
from jwmirror.report.formatting import count
from jwmirror.report.quality import caveat_text, quality_of, quality_text
from jwmirror.report.site import addresses
from jwmirror.report.site.mosaics import Mosaic, MosaicVersion, Picture
from jwmirror.report.site.records import (
    ProductEvent,
    ProductPage,
    ResultVersion,
)
from jwmirror.services.inspect.answers.recommended import is_mosaic, product_of
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.made_results import MadeResults, contents
from jwmirror.services.site.observations import root_lines
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
MOST_NAMED = 6  # parameters in a sentence
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
        upstream=tuple(root_lines(own, lambda name: "", results.made_by, is_public)),
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
    recommended: Collection[str]  # paths
    hidden: Callable[[ShownRow], bool]
    pictures: Callable[[str], Mapping[str, Picture]]  # of a file: by origin
    compared: Callable[[str], str]  # of a file: where two recipes are compared on its page
    is_public: bool
    key_of: Mapping[str, str] = field(default_factory=dict)


def mosaics_of(rows: Sequence[ShownRow], context: MosaicContext) -> tuple[Mosaic, ...]:
    """Return the versions of all mosaics and cubes, and which to use."""
    key_of = {content: row.key for row in rows if row.key for content in contents(row)}
    combined = [row for row in rows if is_mosaic(row.filename)]
    groups = group_by(combined, lambda row: (row.place, row.filename))
    context = replace(context, key_of=key_of)
    return tuple(
        _mosaic(group, context, number < MOST_MOSAICS)
        for number, (_, group) in enumerate(sorted(groups.items()))
    )


def _mosaic(rows: Sequence[ShownRow], context: MosaicContext, is_shown: bool) -> Mosaic:
    """Return one mosaic; if its page is not shown, without what takes long."""
    shown = [row for row in rows if row.is_upstream or not context.hidden(row)]
    versions = [_version(row, context) for row in shown]
    good = [row for row, each in zip(shown, versions, strict=True) if each.is_recommended]
    differing = _differing(good, context) if is_shown and len(good) > 1 else {}
    if differing:
        versions = [
            replace(each, parameters=_values(differing, each.origin)) if row in good else each
            for row, each in zip(shown, versions, strict=True)
        ]
    first = rows[0]
    return Mosaic(
        filename=first.filename,
        page=context.pages.get(first.root, ""),
        program=first.program,
        observation=first.observation,
        advice=_advice(versions, len(rows) - len(shown), good, differing),
        versions=tuple(sorted(versions, key=lambda each: (not each.is_recommended, each.origin))),
        hidden=len(rows) - len(shown),
        compared=context.compared(first.filename) if first.root in context.pages else "",
    )


Differing = Mapping[str, Mapping[str, str]]  # parameter -> recipe -> its values


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


def _values(differing: Differing, origin: str) -> tuple[str, ...]:
    return tuple(f"{name} {values[origin]}" for name, values in differing.items())


def _version(row: ShownRow, context: MosaicContext) -> MosaicVersion:
    entry, results = context.entries.get(row.path), context.results
    quality = quality_of(entry) if entry else None
    version, made = results.made_by(row.key) if row.key else (row.cal_ver, row.made)
    product = product_of(row.result, row.filename)
    stale = bool(row.key) and (row.origin, product) in context.out_of_date
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
        is_recommended=row.path in context.recommended,
        measured=tuple((name, found[name]) for name in COMPARED if name in found),
        exposures=results.exposures(row.key) if row.key else 0,
        picture=context.pictures(row.filename).get(row.origin),
    )


def _advice(
    versions: Sequence[MosaicVersion],
    hidden: int,
    good: Sequence[ShownRow],
    differing: Differing | None,
) -> str:
    """Return which version to use, in one sentence."""
    own = [each for each in versions if each.origin != UPSTREAM]
    if len(good) == 1:
        return f"Use the one of recipe {good[0].origin}: it is sound, and up to date."
    if good:
        return f"{len(good)} versions are sound, and up to date: {_choice(good, differing)}"
    if own:
        return "None is recommended: no recipe's version is sound and up to date. See the remarks."
    if hidden:
        return "No version on this site is recommended."
    return "Only MAST's version is here, and jwmirror does not measure it: look at it before use."


def _choice(good: Sequence[ShownRow], differing: Differing | None) -> str:
    """Return how several versions differ that may be used."""
    names = " and ".join(f"recipe {row.origin}" for row in good)
    if len({row.sha256 for row in good}) == 1 or (
        good[0].identity and len({row.identity for row in good}) == 1
    ):
        return f"those of {names} have equal science content; use either."
    files = " ".join(f":{row.origin}" for row in good[:2])
    command = f"`jwmirror diff {files} {good[0].filename}`"
    if not differing:
        return f"those of {names}; {command} says how they differ."
    words = [
        f"{name}: " + ", ".join(f"{value} ({origin})" for origin, value in values.items())
        for name, values in list(differing.items())[:MOST_NAMED]
    ]
    more = len(differing) - len(words)
    rest = f"; and {count(more, 'more parameter')}" if more else ""
    return (
        f"those of {names}; use one of them, not MAST's. They differ in {'; '.join(words)}{rest}. "
        f"{command} says what this does to the pixels."
    )
