"""The report: one HTML file that says what is held, what changed, and how it was recalibrated.

Everything is in the file, images too; it needs no network and no script.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from jwmirror import __version__
from jwmirror.core.errors import StoreError
from jwmirror.core.files import write_bytes
from jwmirror.core.model import UPSTREAM, Derivation, Entry, Generation, Product, Record, canonical
from jwmirror.core.model.run import Run
from jwmirror.report import formatting
from jwmirror.report.explanation import parameters_by_step
from jwmirror.report.status import Status, build_status, count_files, describe_reason

ROWS = 200  # of a table; the command line lists all
PICTURES = 24


@dataclass(frozen=True, kw_only=True)
class ComputedResult:
    """One result that the run computed."""

    recipe: str
    product: str
    pipeline: str
    seconds: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SharedDerivation:
    """One way in which results of the current generation were made: all that they share."""

    recipe: str
    derivation: Derivation
    steps: dict[str, dict[str, Any]]
    products: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, order=True)
class Pedigree:
    """What tells generations of upstream files apart."""

    place: str
    suffix: str
    cal_ver: str
    crds_ctx: str
    sdp_ver: str


@dataclass(frozen=True, kw_only=True)
class PedigreeCount:
    """Upstream files of one place, kind and pedigree, counted."""

    pedigree: Pedigree
    dates: str
    files: int
    exclusive: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One mosaic, upstream beside recalibrated, or why there is no picture."""

    name: str
    recipe: str
    image: str  # data URI, or ""
    caption: str


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """All that the template shows."""

    generation: Generation
    status: Status
    tiles: tuple[tuple[str, str], ...]
    made: tuple[ComputedResult, ...]
    ways: tuple[SharedDerivation, ...]
    lineages: tuple[PedigreeCount, ...]
    pictures: tuple[Picture, ...]


def write_page(
    path: Path,
    generation: Generation,
    entries: Sequence[Entry],
    run: Run,
    provenance_lookup: Callable[[str], Record | None],
    locate: Callable[[str], Path],
    is_closed: bool,
) -> None:
    """Durably write the report on a generation and the run that led to it.

    `provenance_lookup` returns the record of a key, `locate` the path of an object. If the page
    `is_closed`, only its owner can read it: it has pictures of what other users must not read.
    """
    page = build_page(generation, entries, run, provenance_lookup, locate)
    write_bytes(path, render(page).encode(), mode=0o600 if is_closed else 0o644)


def build_page(
    generation: Generation,
    entries: Sequence[Entry],
    run: Run,
    provenance_lookup: Callable[[str], Record | None],
    locate: Callable[[str], Path],
) -> ReportPage:
    """What the report shows; reads the provenance of all results and the mosaics' pixels."""
    entries = tuple(entries)
    held = count_files((entry.path, entry.size, entry.state) for entry in entries)
    status = build_status("", generation, held, run)
    keys = dict.fromkeys(entry.key for entry in entries if entry.key)
    records = {key: record for key in keys if (record := provenance_lookup(key))}
    made = computed_results(run, provenance_lookup)
    return ReportPage(
        generation=generation,
        status=status,
        tiles=_tiles(generation, status, run, made),
        made=made,
        ways=shared_derivations(entries, records),
        lineages=count_pedigrees(entries),
        pictures=tuple(draw_pictures(entries, set(run.computed_keys), locate)),
    )


def render(page: ReportPage) -> str:
    """The page as HTML; every text in it is escaped."""
    import jinja2

    loader = jinja2.PackageLoader("jwmirror.report")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"size": formatting.size, "moment": formatting.minute, "text": _text}
    template = environment.get_template("report.html")
    return template.render(page=page, status=page.status, version=__version__, rows=ROWS)


def _text(value: Any) -> str:
    """A parameter's value as one reads it."""
    return value if isinstance(value, str) else canonical(value)


def _tiles(
    generation: Generation, status: Status, run: Run, made: tuple[ComputedResult, ...]
) -> tuple[tuple[str, str], ...]:
    """The page's first numbers, with their words."""
    downloaded = sum(receipt.downloaded for receipt in run.fetched)
    seconds = sum(each.seconds for each in made)
    return (
        (
            f"{generation.counts['files']:,}",
            f"files held, {formatting.size(generation.counts['bytes'])}",
        ),
        (str(len(status.changes)), f"changes at MAST, {formatting.size(downloaded)} fetched"),
        (str(len(made)), f"results computed, {seconds:.0f} s of work"),
        (str(len(status.out_of_date)), "still out of date"),
        (str(len(status.waits)), "waiting"),
        (str(len(status.failures)), "failed"),
    )


def computed_results(
    run: Run, provenance_lookup: Callable[[str], Record | None]
) -> tuple[ComputedResult, ...]:
    """The results that a run computed, and why."""
    why = {(chain.recipe, chain.product): chain.reasons for chain in run.chains}
    results = {each.key: each for receipt in run.computed for each in receipt.results}
    found = []
    for key in run.computed_keys:
        result, record = results.get(key), provenance_lookup(key)
        if result is not None:
            reasons = why.get((result.recipe, result.product), ())
            found.append(
                ComputedResult(
                    recipe=result.recipe,
                    product=result.product,
                    pipeline=result.pipeline,
                    seconds=record.seconds if record else 0.0,
                    reasons=tuple(map(describe_reason, reasons)),
                )
            )
    return tuple(sorted(found, key=attrgetter("recipe", "product", "pipeline")))


def shared_derivations(
    entries: Iterable[Entry], records: dict[str, Record]
) -> tuple[SharedDerivation, ...]:
    """The distinct ways in which results were made: recipe, pipeline, parameters, references."""
    shared: dict[tuple[str, ...], dict[str, Record]] = {}
    for entry in entries:
        if record := records.get(entry.key):
            made = record.derivation
            terms = canonical((made.engine, made.parameters, made.references, made.hooks))
            shared.setdefault((entry.origin, made.pipeline, terms), {})[entry.key] = record
    return tuple(
        SharedDerivation(
            recipe=recipe,
            derivation=next(iter(group.values())).derivation,
            steps=parameters_by_step(next(iter(group.values())).derivation),
            products=tuple(sorted(record.derivation.product for record in group.values())),
        )
        for (recipe, _, _), group in sorted(shared.items())
    )


def count_pedigrees(entries: Iterable[Entry]) -> tuple[PedigreeCount, ...]:
    """Upstream files by place, kind and pedigree."""
    alike: dict[Pedigree, list[Product]] = {}
    for product in (entry.product for entry in entries if entry.product):
        alike.setdefault(_pedigree(product), []).append(product)
    return tuple(
        PedigreeCount(
            pedigree=pedigree,
            dates=_span([product.date[:10] for product in alike[pedigree] if product.date]),
            files=len(alike[pedigree]),
            exclusive=sum(product.exclusive for product in alike[pedigree]),
        )
        for pedigree in sorted(alike)
    )


def _pedigree(product: Product) -> Pedigree:
    return Pedigree(
        place=f"jw{product.program:05d} {product.observation}",
        suffix=product.suffix,
        cal_ver=product.cal_ver or "",
        crds_ctx=product.crds_ctx or "",
        sdp_ver=product.sdp_ver or "",
    )


def _span(days: list[str]) -> str:
    return " to ".join(dict.fromkeys((min(days), max(days)))) if days else ""


def draw_pictures(
    entries: Iterable[Entry], fresh: set[str], locate: Callable[[str], Path]
) -> Iterable[Picture]:
    """Each recalibrated mosaic beside upstream's, those of fresh keys first."""
    mosaics = [entry for entry in entries if entry.filename.endswith("_i2d.fits")]
    upstream = {entry.filename: entry for entry in mosaics if entry.origin == UPSTREAM}
    ours = [entry for entry in mosaics if entry.origin != UPSTREAM]
    ours.sort(key=lambda entry: (entry.key not in fresh, entry.path))
    for entry in ours[:PICTURES]:
        yield _picture(entry, upstream.get(entry.filename), locate)


def _picture(ours: Entry, theirs: Entry | None, locate: Callable[[str], Path]) -> Picture:
    from jwmirror.report import plots  # numpy, astropy, matplotlib

    shown = [] if theirs is None else [("upstream", theirs)]
    shown.append((f"recipe {ours.origin}", ours))
    try:
        images = [plots.read_image(title, locate(entry.sha256)) for title, entry in shown]
        image = plots.side_by_side(images)
        caption = "; ".join(each.describe_sky() for each in images)
    except StoreError as error:
        image, caption = "", str(error)
    if theirs is None:
        caption += "; upstream's is not mirrored"
    return Picture(name=ours.filename, recipe=ours.origin, image=image, caption=caption)
