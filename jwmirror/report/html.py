"""The report on a generation: one HTML file that needs no other file, network or script."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from pathlib import Path

from jwmirror import __version__
from jwmirror.core.errors import StoreError, failures_as
from jwmirror.core.files import write_bytes
from jwmirror.core.model import UPSTREAM, Derivation, Entry, Product, canonical
from jwmirror.core.model.history.reasons import traced_reasons, words_of
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.product import IN_WORDS, WITHHELD
from jwmirror.core.model.run import Run
from jwmirror.core.model.stored import Generation
from jwmirror.core.printing import printable
from jwmirror.report import formatting
from jwmirror.report.explanation import parameters_by_step
from jwmirror.report.quality import (
    caveat_text,
    count_qualities,
    doubtful_results,
    quality_of,
    quality_text,
)
from jwmirror.report.status import (
    ReferenceNotice,
    Status,
    build_status,
    count_files,
    list_of,
)

MAX_ROWS = 200  # of a table; the command line lists all
MAX_PICTURES = 24
# What a browser may do for a page: show its pictures, and the style with this hash; nothing else.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'; "
    "form-action 'none'"
)
ProvenanceLookup = Callable[[str], ProvenanceRecord | None]  # of a key


@dataclass(frozen=True, kw_only=True)
class ComputedResult:
    """One result that the run computed, and why."""

    recipe: str
    product: str
    pipeline: str
    seconds: float
    reasons: tuple[str, ...]
    quality: str = ""  # in words


@dataclass(frozen=True, kw_only=True)
class SharedDerivation:
    """A derivation up to its inputs, and the results of the generation that share it."""

    recipe: str
    derivation: Derivation  # of the first of the results
    products: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PedigreeCount:
    """Number of upstream files made with equal versions of software and references."""

    folder: str  # jw01345 o001
    suffix: str
    cal_ver: str
    crds_ctx: str
    sdp_ver: str
    dates: str  # first and last day
    files: int
    exclusive: int  # of them


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One mosaic, upstream beside recalibrated; without an image if it cannot be drawn."""

    name: str
    recipe: str
    image: str  # data URI, or ""
    caption: str  # medians and scatter, or why there is no image


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """The content of the report, for the template."""

    generation: Generation
    status: Status
    downloaded: int  # bytes
    computed: tuple[ComputedResult, ...]
    derivations: tuple[SharedDerivation, ...]
    pedigrees: tuple[PedigreeCount, ...]
    pictures: tuple[Picture, ...]


def write_page(
    path: Path,
    generation: Generation,
    entries: Sequence[Entry],
    run: Run,
    provenance_lookup: ProvenanceLookup,
    locate: Callable[[str], Path],
    is_closed: bool,
    references: tuple[ReferenceNotice, ...] = (),
) -> None:
    """Durably write the report on a generation and the run that led to it.

    `provenance_lookup` returns the record of a key, `locate` the path of an object. If the page
    `is_closed`, only its owner can read it: it has pictures of what other users must not read.
    """
    entries = tuple(entries)  # decoded once
    held = count_files((row.path, row.size, row.state, row.deselected) for row in entries)
    keys = dict.fromkeys(entry.key for entry in entries if entry.key)
    records = {key: record for key in keys if (record := provenance_lookup(key))}
    page = ReportPage(
        generation=generation,
        status=build_status(
            "",
            generation,
            held,
            run,
            qualities=count_qualities((row.origin, row.key, row.quality) for row in entries),
            references=references,
            look_at=doubtful_results(entries, run.held_back),
        ),
        downloaded=sum(receipt.downloaded for receipt in run.fetch_receipts),
        computed=computed_results(run, provenance_lookup, quality_texts(entries, run)),
        derivations=shared_derivations(entries, records),
        pedigrees=count_pedigrees(entries),
        pictures=tuple(draw_pictures(entries, set(run.computed_keys), locate)),
    )
    write_bytes(path, render(page).encode(), mode=0o600 if is_closed else 0o644)


def render(page: ReportPage) -> str:
    """Return the page as HTML; every text in it is escaped, and printable."""
    import jinja2

    loader = jinja2.PackageLoader("jwmirror.report")
    environment = jinja2.Environment(loader=loader, autoescape=True, finalize=_printable)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "size": formatting.size,
        "minute": formatting.minute,
        "text": _text,
        "steps": parameters_by_step,
        "quality": quality_text,
        "caveat": caveat_text,
    }
    environment.tests["in_list"] = lambda notice, name: list_of(notice) == name
    template = environment.get_template("report.html")
    style = loader.get_source(environment, "report.css")[0]
    return template.render(
        page=page,
        status=page.status,
        version=__version__,
        rows=MAX_ROWS,
        in_words=IN_WORDS,
        lists={"news": "", "known": "Reported before", WITHHELD: "Withheld by MAST"},
        policy=policy_for(style),
        style=style,
    )


def _printable(value: object) -> object:
    """Return a value of the page, printable if it is text (but not HTML of the template)."""
    return printable(value) if type(value) is str else value


def policy_for(style: str) -> str:
    """Return the Content-Security-Policy of a page with this style."""
    digest = hashlib.sha256(style.encode()).digest()
    return POLICY.format(style=base64.b64encode(digest).decode())


def _text(value: object) -> str:
    """Return a parameter's value as text; strings without quotes."""
    return value if isinstance(value, str) else canonical(value)


def quality_texts(entries: Iterable[Entry], run: Run) -> dict[tuple[str, str], str]:
    """Return the quality of each result in words, by recipe and key."""
    published = {(row.origin, row.key): quality_text(quality_of(row)) for row in entries if row.key}
    held_back = {
        (result.recipe, result.key): f"{quality_text(result.quality)}; not published"
        for result in run.held_back
    }
    return published | held_back


def computed_results(
    run: Run, provenance_lookup: ProvenanceLookup, qualities: Mapping[tuple[str, str], str]
) -> tuple[ComputedResult, ...]:
    """Return the results that a run computed, sorted by recipe, product and pipeline."""
    reasons = traced_reasons(run.chains)
    results = {result.key: result for receipt in run.batch_receipts for result in receipt.results}
    computed = []
    for result in (results[key] for key in run.computed_keys if key in results):
        record = provenance_lookup(result.key)
        why = reasons.get((result.recipe, result.product), ())
        computed.append(
            ComputedResult(
                recipe=result.recipe,
                product=result.product,
                pipeline=result.pipeline,
                seconds=record.seconds if record else 0.0,
                reasons=tuple(map(words_of, why)),
                quality=qualities.get((result.recipe, result.key), ""),
            )
        )
    return tuple(sorted(computed, key=attrgetter("recipe", "product", "pipeline")))


def shared_derivations(
    entries: Iterable[Entry], records: dict[str, ProvenanceRecord]
) -> tuple[SharedDerivation, ...]:
    """Group results by recipe, pipeline, engine, parameters, references and hooks."""
    groups: dict[tuple[str, ...], dict[str, Derivation]] = {}
    for entry in entries:
        if record := records.get(entry.key):
            made = record.derivation
            terms = canonical((made.engine, made.parameters, made.references, made.hooks))
            groups.setdefault((entry.origin, made.pipeline, terms), {})[entry.key] = made
    return tuple(
        SharedDerivation(
            recipe=recipe,
            derivation=next(iter(group.values())),
            products=tuple(sorted(derivation.product for derivation in group.values())),
        )
        for (recipe, _, _), group in sorted(groups.items())
    )


def count_pedigrees(entries: Iterable[Entry]) -> tuple[PedigreeCount, ...]:
    """Count upstream files by folder, suffix and pedigree."""
    groups: dict[tuple[str, ...], list[Product]] = {}
    for product in (entry.product for entry in entries if entry.product):
        folder = f"jw{product.program:05d} {product.observation}"
        versions = (product.cal_ver or "", product.crds_ctx or "", product.sdp_ver or "")
        groups.setdefault((folder, product.suffix, *versions), []).append(product)
    return tuple(
        PedigreeCount(
            folder=folder,
            suffix=suffix,
            cal_ver=cal_ver,
            crds_ctx=crds_ctx,
            sdp_ver=sdp_ver,
            dates=_span([product.date[:10] for product in products if product.date]),
            files=len(products),
            exclusive=sum(product.is_closed for product in products),
        )
        for (folder, suffix, cal_ver, crds_ctx, sdp_ver), products in sorted(
            groups.items(), key=itemgetter(0)
        )
    )


def _span(days: list[str]) -> str:
    """Return the first and the last day (ISO): 2025-11-02 to 2026-01-05."""
    return " to ".join(dict.fromkeys((min(days), max(days)))) if days else ""


def draw_pictures(
    entries: Iterable[Entry], computed_keys: set[str], locate: Callable[[str], Path]
) -> Iterator[Picture]:
    """Yield each recalibrated mosaic beside MAST's, those that the run computed first."""
    mosaics = [entry for entry in entries if entry.filename.endswith("_i2d.fits")]
    upstream = {entry.filename: entry for entry in mosaics if entry.origin == UPSTREAM}
    recalibrated = [entry for entry in mosaics if entry.origin != UPSTREAM]
    recalibrated.sort(key=lambda entry: (entry.key not in computed_keys, entry.path))
    for entry in recalibrated[:MAX_PICTURES]:
        yield _draw_picture(entry, upstream.get(entry.filename), locate)


def _draw_picture(
    recalibrated: Entry, upstream: Entry | None, locate: Callable[[str], Path]
) -> Picture:
    from jwmirror.report import plots  # numpy, astropy, matplotlib

    titles = {f"recipe {recalibrated.origin}": recalibrated}
    if upstream is not None:
        titles = {"upstream": upstream, **titles}
    try:
        panels = [plots.read_image(title, locate(entry.sha256)) for title, entry in titles.items()]
        with failures_as(lambda why: StoreError(f"the pictures cannot be drawn ({why}).")):
            image = plots.side_by_side(panels)
            caption = "; ".join(panel.describe_sky() for panel in panels)
    except StoreError as error:
        image, caption = "", str(error)
    if upstream is None:
        caption += "; MAST's mosaic is not mirrored"
    return Picture(
        name=recalibrated.filename, recipe=recalibrated.origin, image=image, caption=caption
    )
