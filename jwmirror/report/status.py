"""The state of a mirror in one record: what is held, what changed, what is out of date and why.

Pure: records in, a record out. Its fields are the keys of `jwmirror status --json`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from jwmirror.records import (
    HELD,
    Change,
    Failure,
    Generation,
    Incomplete,
    Reason,
    Settling,
    Unsettled,
    Wait,
)
from jwmirror.report.runs import Run


@dataclass(frozen=True, kw_only=True, order=True)
class Holding:
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
    """One exposure or association whose results are not what the recipe now asks for."""

    recipe: str
    product: str
    pipelines: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Status:
    """What `jwmirror status` tells; a mirror that was never filled has no generation."""

    mirror: str
    generation: Generation | None
    run: str | None  # the last run's id; the rest below `held` is what it found
    context: str | None
    held: tuple[Holding, ...]
    limited_to: tuple[int, ...]  # programs; empty after a poll of all
    first_polls: tuple[FirstPoll, ...]
    changes: tuple[Notice, ...]
    settling: tuple[HalfUpdated, ...]
    incomplete: tuple[Incomplete, ...]
    out_of_date: tuple[Outdated, ...]
    waits: tuple[Wait, ...]
    failures: tuple[Failure, ...]
    unmatched: tuple[str, ...]


def status_of(
    mirror: str, generation: Generation | None, held: tuple[Holding, ...], run: Run | None
) -> Status:
    """The state of a mirror from its current generation and its last run."""
    run = run or Run(id="")
    settling = run.settling or Settling()
    return Status(
        mirror=mirror,
        generation=generation,
        run=run.id or None,
        context=run.references.context if run.references else None,
        held=held,
        limited_to=run.poll.limited_to if run.poll else (),
        first_polls=tuple(
            FirstPoll(program=program, products=count) for program, count in run.first_polls.items()
        ),
        changes=tuple(notice_of(change) for change in run.news),
        settling=tuple(map(half_updated, settling.unsettled)),
        incomplete=settling.incomplete,
        out_of_date=outdated(run),
        waits=run.waits,
        failures=run.failures,
        unmatched=run.poll.unmatched if run.poll else (),
    )


def holdings(rows: Iterable[tuple[str, int, str]]) -> tuple[Holding, ...]:
    """What is held, by folder and kind of file; rows are (path, size in bytes, state)."""
    files, sizes, vanished = Counter(), Counter(), Counter()
    for path, size, state in rows:
        place = place_of(path)
        files[place] += 1
        sizes[place] += size
        vanished[place] += state != HELD
    return tuple(
        Holding(
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


def place_of(path: str) -> tuple[str, str, str, str]:
    """Origin, program, observation and suffix of a file by its path in the view."""
    *above, program, observation, name = path.split("/")
    suffix = name.rpartition("_")[2].partition(".")[0]
    return above[-1], program, observation, suffix


def half_updated(unsettled: Unsettled) -> HalfUpdated:
    """What people want to know of it."""
    return HalfUpdated(
        association=unsettled.association,
        product=unsettled.product,
        since=unsettled.since,
        why=unsettled.why,
    )


def notice_of(change: Change) -> Notice:
    """A change in words."""
    return Notice(
        kind=change.kind,
        file=change.product.filename,
        replaces=change.replaces,
        reasons=tuple(map(str, change.reasons)),
    )


def outdated(run: Run) -> tuple[Outdated, ...]:
    """What a run found out of date and did not bring up to date."""
    return tuple(
        Outdated(
            recipe=chain.recipe,
            product=chain.product,
            pipelines=tuple(derivation.pipeline for derivation in chain.derivations),
            reasons=tuple(map(spoken, chain.reasons)),
        )
        for chain in run.unfinished
    )


def spoken(reason: Reason) -> str:
    """A reason for recalibrating, in words."""
    return "never calibrated" if reason == Reason("new", "", "") else str(reason)
