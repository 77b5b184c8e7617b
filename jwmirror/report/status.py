"""The state of a mirror in one record: what is held, what changed, what is out of date and why.

Pure: records in, a record out. Its fields are the keys of `jwmirror status --json`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from jwmirror.core.model import (
    HELD,
    Chain,
    Change,
    Failure,
    Generation,
    Incomplete,
    Plan,
    Reason,
    Scope,
    Settling,
    Unsettled,
    Wait,
)
from jwmirror.core.model.plan import INPUTS_RECOMPUTED
from jwmirror.core.model.run import Run

LEVELS = ("exposure", "association", "association")  # of the plans of a run, in their order
INPUTS = INPUTS_RECOMPUTED.what  # its own reasons are shown where they are recomputed


@dataclass(frozen=True, kw_only=True, order=True)
class FileCount:
    """Files of one kind in one folder of the view."""

    origin: str  # "upstream", or the recipe's name
    program: str  # jw01345
    observation: str  # o001, c1001, pool
    suffix: str
    files: int
    bytes: int
    vanished: int  # of them, no longer offered by MAST


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One change at the archive, in words."""

    kind: str
    file: str
    replaces: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FirstPoll:
    """A program that was polled for the first time: its products are a start, not changes."""

    program: int
    products: int  # that are new, of those selected


@dataclass(frozen=True, kw_only=True)
class HalfUpdated:
    """An association that MAST is not done with; its published files and results stay."""

    association: str
    product: str
    since: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Outdated:
    """One exposure or association whose published results are not what the recipe asks for."""

    recipe: str
    product: str
    level: str  # "exposure" or "association"
    pipelines: tuple[str, ...]  # to be computed
    ready: tuple[str, ...]  # pipelines whose results are there, only not published
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the next run would plan with a config, as far as it can be told offline."""

    plans: tuple[Plan, ...]  # of exposures, of associations
    ready: tuple[Chain, ...] = ()  # of their `done`: what is not published
    unknown: tuple[Wait, ...] = ()  # their references were never synced
    notes: tuple[str, ...] = ()  # what else a run would find out, or change


@dataclass(frozen=True, kw_only=True)
class Status:
    """What `jwmirror status` tells; a mirror that was never filled has no generation."""

    mirror: str
    generation: Generation | None
    run: str | None  # the last run's id; changes and unmatched are what it found
    context: str | None  # that it calibrated with
    previewed: bool  # out_of_date, waits, unknown are by the config as it is; else by the run
    held: tuple[FileCount, ...]
    limited_to: tuple[Scope, ...]  # as events named it; empty after a poll of all
    first_polls: tuple[FirstPoll, ...]
    changes: tuple[Notice, ...]
    settling: tuple[HalfUpdated, ...]
    incomplete: tuple[Incomplete, ...]
    out_of_date: tuple[Outdated, ...]
    waits: tuple[Wait, ...]
    unknown: tuple[Wait, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    unmatched: tuple[str, ...]
    at_work: str = ""  # who changes the mirror now, and since when


def build_status(
    mirror: str,
    generation: Generation | None,
    held: tuple[FileCount, ...],
    run: Run | None,
    preview: Preview | None = None,
    at_work: str = "",
) -> Status:
    """The state of a mirror from its current generation, its last run, and a preview if given."""
    run = run or Run(id="")
    planned = replace(run, plans=preview.plans) if preview else run
    settling = run.settling or Settling()
    return Status(
        mirror=mirror,
        generation=generation,
        run=run.id or None,
        context=run.references.context if run.references else None,
        previewed=preview is not None,
        held=held,
        limited_to=run.poll.limited_to if run.poll else (),
        first_polls=tuple(
            FirstPoll(program=program, products=count) for program, count in run.first_polls.items()
        ),
        changes=tuple(describe_change(change) for change in run.news),
        settling=tuple(map(describe_unsettled, settling.unsettled)),
        incomplete=settling.incomplete,
        out_of_date=outdated(
            planned.plans,
            planned.chains if preview else run.unfinished,
            preview.ready if preview else (),
        ),
        waits=planned.waits,
        unknown=preview.unknown if preview else (),
        failures=planned.failures,
        notes=preview.notes if preview else (),
        unmatched=run.poll.unmatched if run.poll else (),
        at_work=at_work,
    )


def count_files(rows: Iterable[tuple[str, int, str]]) -> tuple[FileCount, ...]:
    """What is held, by folder and kind of file; rows are (path, size in bytes, state)."""
    files, sizes, vanished = Counter(), Counter(), Counter()
    for path, size, state in rows:
        place = split_view_path(path)
        files[place] += 1
        sizes[place] += size
        vanished[place] += state != HELD
    return tuple(
        FileCount(
            origin=place[0],
            program=place[1],
            observation=place[2],
            suffix=place[3],
            files=files[place],
            bytes=sizes[place],
            vanished=vanished[place],
        )
        for place in sorted(files)
    )


def split_view_path(path: str) -> tuple[str, str, str, str]:
    """Origin, program, observation and suffix of a file by its path in the view."""
    *above, program, observation, name = path.split("/")
    suffix = name.rpartition("_")[2].partition(".")[0]
    return above[-1], program, observation, suffix


def describe_unsettled(unsettled: Unsettled) -> HalfUpdated:
    """What people want to know of it."""
    return HalfUpdated(
        association=unsettled.association,
        product=unsettled.product,
        since=unsettled.since,
        why=unsettled.why,
    )


def describe_change(change: Change) -> Notice:
    """A change in words."""
    return Notice(
        kind=change.kind,
        file=change.product.filename,
        replaces=change.replaces,
        reasons=tuple(map(str, change.reasons)),
    )


def outdated(
    plans: tuple[Plan, ...], chains: Iterable[Chain], ready: Iterable[Chain] = ()
) -> tuple[Outdated, ...]:
    """What is to be computed, or (`ready`) just published, by the order of the plans."""
    levels: dict[tuple[str, str], int] = {}
    for i, plan in enumerate(plans):  # an exposure stays one where stage 2 takes others with it
        levels |= {key: i for key in _of(plan) if key not in levels}
    compute, publish = _by_product(chains), _by_product(ready)
    wanting = compute.keys() | publish.keys()
    return tuple(
        Outdated(
            recipe=key[0],
            product=key[1],
            level=LEVELS[levels[key]],
            pipelines=_pipelines(compute.get(key, ())),
            ready=_pipelines(publish.get(key, ())),
            reasons=_reasons([*publish.get(key, ()), *compute.get(key, ())], levels[key]),
        )
        for key in sorted(wanting, key=lambda key: (key[0], levels[key], key[1]))
    )


def _of(plan: Plan) -> Iterator[tuple[str, str]]:
    """Recipe and product of all that a plan has out of date or done."""
    for batch in plan.batches.values():
        yield from ((chain.recipe, chain.product) for chain in batch)
    yield from ((result.recipe, result.product) for result in plan.done)


def _by_product(chains: Iterable[Chain]) -> dict[tuple[str, str], list[Chain]]:
    found: dict[tuple[str, str], list[Chain]] = {}
    for chain in chains:
        found.setdefault((chain.recipe, chain.product), []).append(chain)
    return found


def _pipelines(chains: Iterable[Chain]) -> tuple[str, ...]:
    return tuple(derivation.pipeline for chain in chains for derivation in chain.derivations)


def _reasons(chains: Iterable[Chain], level: int) -> tuple[str, ...]:
    """Each reason once, in words; that files made before differ is told once, or not at all."""
    reasons = [reason for chain in chains for reason in chain.reasons]
    own = [describe_reason(each) for each in reasons if each.cause != "inputs"]
    told = dict.fromkeys(own)
    if len(own) < len(reasons) and (level or not own):
        told[INPUTS] = None
    return tuple(told)


def describe_reason(reason: Reason) -> str:
    """A reason for recalibrating, in words."""
    if reason.cause == "new":
        return "never calibrated"
    return str(reason) if reason.old or reason.new else reason.what


@dataclass(frozen=True, kw_only=True)
class History:
    """Every generation, and those that led to the current one."""

    mirror: str
    current: int | None
    line: tuple[int, ...]  # the current generation, its parent, and so on back to the first
    generations: tuple[Generation, ...]  # newest first
    pruned: tuple[int, ...] = ()  # of them, those whose files can no longer be had
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # number -> its pins


def build_history(
    mirror: str,
    current: Generation | None,
    generations: Iterable[Generation],
    pruned: Iterable[int] = (),
    names: Mapping[int, tuple[str, ...]] | None = None,
) -> History:
    """The history of a mirror."""
    known = {each.number: generation_record(each) for each in generations}
    line, number = [], current.number if current else None
    while number in known:
        line.append(number)
        number = known[number].parent
    return History(
        mirror=mirror,
        current=current.number if current else None,
        line=tuple(line),
        generations=tuple(known[number] for number in sorted(known, reverse=True)),
        pruned=tuple(pruned),
        names={str(number): found for number, found in sorted((names or {}).items())},
    )


def generation_record(generation: Generation) -> Generation:
    """A generation as its generation.json has it, without what the store adds."""
    return Generation(**{each.name: getattr(generation, each.name) for each in fields(Generation)})
