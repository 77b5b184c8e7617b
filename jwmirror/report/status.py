"""The state of a mirror in one record. Pure: records in, a record out.

The fields of the records are the keys of `jwmirror status --json`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from jwmirror.core.grouping import group_by
from jwmirror.core.model import (
    Chain,
    Doubt,
    Failure,
    Plan,
    Poll,
    Scope,
    SettleResult,
    Wait,
)
from jwmirror.core.model.answers.exclusive import ExclusiveFiles
from jwmirror.core.model.history.reasons import PlaceOf, no_place, traced_reasons, words_of
from jwmirror.core.model.jobs.run_state import RunState
from jwmirror.core.model.maintenance import Hold
from jwmirror.core.model.plan import (
    LEVELS,
    AffectedResult,
    ExcludedFiles,
    Incomplete,
    PartialMatch,
)
from jwmirror.core.model.product import STALE, WITHHELD
from jwmirror.core.model.quality import JudgedResult
from jwmirror.core.model.run import Run, RunEstimate, Stop
from jwmirror.core.model.stored import PRESENT, Generation
from jwmirror.report.growth import Growth

LEVEL_NAMES = ("exposure", *["association"] * (len(LEVELS) - 1))  # of a run's plans, in order


@dataclass(frozen=True)
class FileCount:
    """Files of one kind in one folder of the view."""

    origin: str  # "upstream", or the recipe's name
    program: str  # jw01345
    observation: str  # o001, c1001, pool
    suffix: str
    files: int
    bytes: int
    vanished: int  # of the files, no longer offered by MAST
    deselected: int = 0  # of the files, no longer selected by the config
    last_checked: str = ""  # ISO time of the oldest check of those


@dataclass(frozen=True, kw_only=True)
class ChangeNotice:
    """One change at MAST, in words."""

    kind: str
    file: str
    replaces: str | None
    reasons: tuple[str, ...]
    since: str = ""  # ISO, UTC: the first of the polls in a row that found it; "": the last one
    waits: bool = False  # for the rest of its association; the published version stays


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """How many files may have changed at MAST without a sign of it, and since when."""

    files: int
    since: str = ""  # ISO, of the one that was not compared for the longest time


@dataclass(frozen=True, kw_only=True)
class FirstPoll:
    """A program that was polled for the first time; its products are not listed as changes."""

    program: int
    products: int  # selected ones


@dataclass(frozen=True, kw_only=True)
class PartlyReprocessed:
    """An association that MAST has reprocessed in part; its published files and results stay."""

    association: str
    product: str
    since: str  # ISO, UTC: the first poll that found it
    why: str


@dataclass(frozen=True, kw_only=True)
class ReferenceNotice:
    """A finding of the last run about a reference or mapping, and the results that it is about."""

    kind: str
    file: str
    message: str
    results: tuple[AffectedResult, ...]


@dataclass(frozen=True, kw_only=True)
class OutdatedProduct:
    """One exposure or association whose published results differ from what its recipe describes."""

    recipe: str
    product: str
    level: str  # "exposure" or "association"
    pipelines: tuple[str, ...]  # to be computed
    ready: tuple[str, ...]  # pipelines whose results are computed, but not published
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OtherVersion:
    """A package that published results of a recipe were made with in another version than now.

    It is not in the key, so the results are not out of date.
    """

    recipe: str
    name: str
    version: str
    installed: str
    results: int


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The plan of the next run under a config, as far as it is known offline."""

    plans: tuple[Plan, ...]  # one per level: exposures first
    ready: tuple[Chain, ...] = ()  # results that are computed, but not published
    unknown: tuple[Wait, ...] = ()  # references were never synced
    notes: tuple[str, ...] = ()  # limits of the preview, for people
    other_versions: tuple[OtherVersion, ...] = ()
    estimate: RunEstimate | None = None  # None: nothing to do


@dataclass(frozen=True, kw_only=True)
class LastPoll:
    """When MAST answered last, what of it is not believed, and how runs since then ended."""

    asked_at: str = ""  # ISO, UTC; "": no poll is on record
    doubts: tuple[Doubt, ...] = ()
    stops: tuple[Stop, ...] = ()  # of that run and later ones that did not publish, oldest first
    searches: tuple[str, ...] = ()  # in words: what each search found


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of a mirror; one that was never filled has no generation."""

    mirror: str
    generation: Generation | None
    run: str | None  # id of the last run with a poll, which found changes and unmatched
    context: str | None  # CRDS context of the last run
    previewed: bool  # out_of_date, waits and unknown are from a preview; else from the last run
    held: tuple[FileCount, ...]
    limited_to: tuple[Scope, ...]  # what the last poll was limited to by events; empty: not
    first_polls: tuple[FirstPoll, ...]
    changes: tuple[ChangeNotice, ...]
    settling: tuple[PartlyReprocessed, ...]
    incomplete: tuple[Incomplete, ...]
    out_of_date: tuple[OutdatedProduct, ...]
    waits: tuple[Wait, ...]
    unknown: tuple[Wait, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    unmatched: tuple[str, ...]
    other_versions: tuple[OtherVersion, ...] = ()  # of a preview only
    partial_matches: tuple[PartialMatch, ...] = ()  # where-blocks that are not applied
    excluded: tuple[ExcludedFiles, ...] = ()  # files that recipes exclude, by product
    at_work: str = ""  # owner of the mirror's lock, and since when
    qualities: dict[str, int] = field(default_factory=dict)  # quality -> published results
    look_at: tuple[JudgedResult, ...] = ()  # with caveats, or not published; worst first
    references: tuple[ReferenceNotice, ...] = ()
    last_poll: LastPoll = field(default_factory=LastPoll)
    undecided: Undecided = Undecided(files=0)
    estimate: RunEstimate | None = None  # of a preview only
    running: RunState | None = None  # how far the run is that goes on
    undone: tuple[str, ...] = ()  # after a rollback: causes that the next run publishes again
    hold: Hold | None = None  # with which runs leave the current generation as it is
    growth: Growth | None = None  # None: too little history
    exclusive: tuple[ExclusiveFiles, ...] = ()  # and until when


def build_status(
    mirror: str,
    generation: Generation | None,
    held: tuple[FileCount, ...],
    run: Run | None,
    preview: Preview | None = None,
    qualities: Mapping[str, int] | None = None,
    look_at: tuple[JudgedResult, ...] = (),
    references: tuple[ReferenceNotice, ...] = (),
    place_of: PlaceOf = no_place,
    hold: Hold | None = None,
) -> Status:
    """Return the state of a mirror; what is out of date is from `preview` if given, else `run`."""
    run = run or Run(id="")
    planned = replace(run, plans=preview.plans) if preview else run
    settling, ready = run.settling or SettleResult(), preview.ready if preview else ()
    return Status(
        mirror=mirror,
        generation=generation,
        run=run.id or None,
        context=run.references.context if run.references else None,
        previewed=preview is not None,
        held=held,
        limited_to=run.poll.limited_to if run.poll else (),
        first_polls=tuple(_first_polls(run)),
        changes=(*_notices(run, settling, _withheld(run)), *_withheld_notices(run)),
        settling=_partly_reprocessed(settling),
        incomplete=settling.incomplete,
        out_of_date=outdated_products(
            planned.plans, planned.chains if preview else run.unfinished, ready, place_of
        ),
        waits=planned.waits,
        unknown=preview.unknown if preview else (),
        failures=planned.failures,
        notes=(*_notes(generation, run, planned, hold), *(preview.notes if preview else ())),
        unmatched=run.poll.unmatched if run.poll else (),
        other_versions=preview.other_versions if preview else (),
        partial_matches=planned.partial_matches,
        excluded=planned.excluded,
        qualities=dict(qualities or {}),
        look_at=look_at,
        references=references,
        last_poll=_last_poll(run),
        estimate=preview.estimate if preview else None,
        hold=hold,
    )


def _last_poll(run: Run) -> LastPoll:
    poll = run.poll or Poll(listings=(), changes=())
    return LastPoll(
        asked_at=max((listing.asked_at for listing in poll.listings), default=""),
        doubts=poll.doubts,
        stops=run.stops,
        searches=poll.searches,
    )


def _partly_reprocessed(settling: SettleResult) -> tuple[PartlyReprocessed, ...]:
    kind = tuple[PartlyReprocessed, ...]
    return msgspec.convert(settling.unsettled, kind, from_attributes=True)


def _first_polls(run: Run) -> Iterator[FirstPoll]:
    for program, count in run.first_polls.items():
        yield FirstPoll(program=program, products=count)


def _notes(
    generation: Generation | None, run: Run, planned: Run, hold: Hold | None
) -> Iterator[str]:
    """Yield notes on a rollback, unusual answers of MAST, refused products, and the plans."""
    if generation and run.published and generation.number != run.published.generation:
        last = run.published.generation
        after = (
            f"after a rollback, generation {generation.number} is the current one, instead of "
            f"{last} of the last run. The next run publishes what MAST and the config ask for; if "
            f"nothing has changed since, that is generation {last} again."
        )
        held = f"generation {last} of the last run is not shown, because the view is held."
        yield held if hold else after
    yield from run.poll.other_answers if run.poll else ()
    yield from map(str, run.still_refused)
    yield from planned.plan_notes


def count_files(rows: Iterable[tuple[str, int, str, str]]) -> tuple[FileCount, ...]:
    """Count files by folder and suffix; rows have path in the view, bytes, state, `deselected`."""
    groups = group_by(rows, lambda row: split_view_path(row[0]))
    return tuple(_file_count(groups[location], *location) for location in sorted(groups))


def _file_count(rows: Sequence[tuple[str, int, str, str]], *location: str) -> FileCount:
    origin, program, observation, suffix = location
    times = [deselected for *_, deselected in rows if deselected]
    return FileCount(
        origin=origin,
        program=program,
        observation=observation,
        suffix=suffix,
        files=len(rows),
        bytes=sum(size for _, size, *_ in rows),
        vanished=sum(state != PRESENT for *_, state, _ in rows),
        deselected=len(times),
        last_checked=min(times, default=""),
    )


def split_view_path(path: str) -> tuple[str, str, str, str]:
    """Return origin, program, observation and suffix of a file by its path in the view."""
    *above, program, observation, filename = path.split("/")
    suffix = filename.rpartition("_")[2].partition(".")[0]
    return above[-1], program, observation, suffix


def _notices(
    run: Run, settling: SettleResult, withheld: Mapping[str, str]
) -> Iterator[ChangeNotice]:
    """Yield what the last poll found, without files that MAST then did not give: see below."""
    waiting = settling.waiting
    for change in run.changes_since_first_poll:
        if change.wants_bytes and change.product.filename in withheld:
            continue
        yield ChangeNotice(
            kind=change.kind,
            file=change.product.filename,
            replaces=change.replaces,
            reasons=tuple(map(str, change.reasons)),
            since=change.since,
            waits=change.product.uri in waiting and change.kind not in (WITHHELD, STALE),
        )


def list_of(notice: ChangeNotice) -> str:
    """Return the list that shows a change: news, known (reported before), or withheld."""
    if notice.kind == WITHHELD:
        return WITHHELD
    return "known" if notice.since else "news"


def _withheld(run: Run) -> dict[str, str]:
    """Return the files that were listed as accessible, and for which MAST rejected the token."""
    failures = (failure for receipt in run.fetch_receipts for failure in receipt.failures)
    return {failure.name: failure.message for failure in failures if failure.is_withheld}


def _withheld_notices(run: Run) -> Iterator[ChangeNotice]:
    """Yield the files that MAST did not give, with what it lists of them: a new version, say."""
    kinds = {
        change.product.filename: change.kind
        for change in run.changes_since_first_poll
        if change.wants_bytes
    }
    for file, message in _withheld(run).items():
        found = [f"{kinds[file]} at MAST"] if file in kinds else []
        yield ChangeNotice(kind=WITHHELD, file=file, replaces=None, reasons=(message, *found))


def outdated_products(
    plans: tuple[Plan, ...],
    chains: Sequence[Chain],
    ready: Sequence[Chain] = (),
    place_of: PlaceOf = no_place,
) -> tuple[OutdatedProduct, ...]:
    """Return the products of chains to compute, and of `ready` ones to publish, and why.

    They are sorted by recipe, level (the place of the plan) and product. `place_of` returns where
    the config says what differs.
    """
    levels: dict[tuple[str, str], int] = {}
    for level, plan in enumerate(plans):  # an exposure keeps its level if stage 2 plans it, too
        levels |= {key: level for key in _planned_products(plan) if key not in levels}
    compute = group_by(chains, lambda chain: (chain.recipe, chain.product))
    publish = group_by(ready, lambda chain: (chain.recipe, chain.product))
    why = traced_reasons([*ready, *chains])
    return tuple(
        OutdatedProduct(
            recipe=key[0],
            product=key[1],
            level=LEVEL_NAMES[levels[key]],
            pipelines=_pipelines(compute.get(key, ())),
            ready=_pipelines(publish.get(key, ())),
            reasons=tuple(
                dict.fromkeys(words_of(each, place_of(key[0], each)) for each in why[key])
            ),
        )
        for key in sorted(compute | publish, key=lambda key: (key[0], levels[key], key[1]))
    )


def _planned_products(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield recipe and product of everything that a plan has out of date or done."""
    yield from ((chain.recipe, chain.product) for chain in plan.chains)
    yield from ((result.recipe, result.product) for result in plan.done)


def _pipelines(chains: Iterable[Chain]) -> tuple[str, ...]:
    return tuple(derivation.pipeline for chain in chains for derivation in chain.derivations)
