"""The summary of a run for other programs: what changed at MAST, what failed, what to look at."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from jwmirror.core.model import Change, Failure
from jwmirror.core.model.history.run_summary import (
    KINDS,
    FailedPart,
    FileAtMast,
    Outcome,
    ResultWithCaveat,
    RetractedReference,
    RunSummary,
)
from jwmirror.core.model.quality import CAVEAT, JudgedResult
from jwmirror.core.model.run import Run, Stop, failed_listing
from jwmirror.crds.affected import reference_notices
from jwmirror.report.quality import doubtful_results, is_accepted
from jwmirror.report.site.addresses import INDEX
from jwmirror.services.causes.reprocessing import kept_change
from jwmirror.services.notify.wording import subject_of, words_of_summary
from jwmirror.store.access import exclusive_site, public_site
from jwmirror.store.generations import Generations
from jwmirror.store.pins import read_hold
from jwmirror.store.runs import RunFiles, last_run, read_if_written, read_run

T = TypeVar("T")
LISTS = (*KINDS, "retracted", "failed", "caveats")
LONGEST = 200  # items of a list
PROGRAM = re.compile(r"jw(\d{5})", re.ASCII)


def run_summary(mirror: Path, run: str, *, with_exclusive: bool = False) -> RunSummary:
    """Return the summary of a run by its id; if its records were deleted, it changed nothing.

    Without `with_exclusive`, nothing about exclusive files is in it: no names of these files, and
    no failures and caveats of a program that has such files.

    Raises:
        StoreError: a record of the run, or the current generation, is damaged.
    """
    folder = Path(mirror) / "receipts" / "runs" / run
    records = (read_run(folder) if folder.is_dir() else last_run(mirror)) or Run(id=run)
    files, published = RunFiles(folder), records.published
    number = published.generation if published else _current(mirror)
    is_new = bool(published and published.is_new)
    items = _Items(mirror, records, with_exclusive)
    changes = items.changes()
    summary = RunSummary(
        run=run,
        mirror=str(Path(mirror).absolute()),
        outcome=_outcome(files, is_new),
        generation=number,
        is_new=is_new,
        hold=read_hold(mirror),
        causes=Generations(mirror).read(number).what_happened if is_new else (),
        first_polls=records.first_polls,
        new=changes["new"],
        reprocessed=changes["reprocessed"],
        released=changes["released"],
        vanished=changes["vanished"],
        retracted=items.retracted(),
        failed=items.failed(read_if_written(files.stopped, Stop)),
        caveats=items.caveats(),
        left_out=items.left_out,
        site=_site(mirror, with_exclusive),
    )
    summary = replace(summary, counts={name: len(getattr(summary, name)) for name in LISTS})
    words = replace(summary, subject=subject_of(summary), text=words_of_summary(summary))
    return replace(words, **{name: getattr(summary, name)[:LONGEST] for name in LISTS})


def _outcome(files: RunFiles, is_new: bool) -> Outcome:
    """Return how a run ended, by the records in its folder."""
    if not files.folder.is_dir() or files.unchanged.exists():
        return "unchanged"
    if not files.conclusion.exists():
        return "failed"
    return "changed" if is_new else "unchanged"


def _current(mirror: Path) -> int:
    current = Generations(mirror).current()
    return current.number if current else 0


def _site(mirror: Path, with_exclusive: bool) -> str:
    """Return the absolute path of the first page of the site; "" if it was not written."""
    folders = ([exclusive_site(mirror)] if with_exclusive else []) + [public_site(mirror)]
    pages = (folder.absolute() / INDEX for folder in folders)
    return next((str(page) for page in pages if page.exists()), "")


class _Items:
    """The items of the lists of a summary; those about exclusive data are counted, and left out."""

    def __init__(self, mirror: Path, records: Run, with_exclusive: bool):
        self._mirror, self._records, self._all = Path(mirror), records, with_exclusive
        self.left_out = 0

    def changes(self) -> dict[str, tuple[FileAtMast, ...]]:
        """Return what the poll of this run was the first to find, by kind."""
        found: dict[str, list[FileAtMast]] = {kind: [] for kind in KINDS}
        for change in self._records.changes_since_first_poll:
            if change.kind in found and not change.since:
                if self._all or not change.product.is_closed:
                    found[change.kind].append(self._changed(change))
                else:
                    self.left_out += 1
        return {kind: tuple(files) for kind, files in found.items()}

    def retracted(self) -> tuple[RetractedReference, ...]:
        """Return what CRDS said about references that no earlier run knew."""
        notices = reference_notices(self._mirror, self._records.new_findings)
        return tuple(
            RetractedReference(
                file=notice.file,
                kind=notice.kind,
                message=notice.message,
                results=len(notice.results),
            )
            for notice in notices
        )

    def failed(self, stop: Stop | None) -> tuple[FailedPart, ...]:
        """Return what failed; `stop` is why the run did not publish."""
        stopped = [FailedPart(name=stop.rule, why=stop.why)] if stop else []
        poll = self._records.poll
        listings = tuple(map(failed_listing, poll.doubts if poll else ()))
        others = (each for each in self._records.failures if each not in listings)
        failures = self._of_open_programs(others, lambda each: each.name)
        return (*stopped, *map(_failed, (*listings, *failures)))

    def caveats(self) -> tuple[ResultWithCaveat, ...]:
        """Return the results that are not sound and were not accepted."""
        rows = Generations(self._mirror).entries().where("quality", CAVEAT)
        results = doubtful_results(rows, self._records.held_back)
        doubtful = (result for result in results if not is_accepted(result.quality))
        kept = self._of_open_programs(doubtful, lambda each: each.product)
        return tuple(map(self._with_caveat, kept))

    def _changed(self, change: Change) -> FileAtMast:
        new = self._arrived.get(change.product.uri, "")
        content = kept_change(self._mirror, change.held, new) if change.held and new else None
        return FileAtMast(
            file=change.product.filename,
            program=change.product.program,
            observation=change.product.observation,
            reasons=tuple(map(str, change.reasons)),
            content=content.verdict if content else "",
            sigma=content.sigma if content else None,
            noise=content.noise if content else None,
        )

    @cached_property
    def _arrived(self) -> dict[str, str]:
        """The sha256 of the products that the run fetched, by URI."""
        receipts = self._records.fetch_receipts
        return {each.product.uri: each.sha256 for r in receipts for each in r.versions}

    def _with_caveat(self, result: JudgedResult) -> ResultWithCaveat:
        return ResultWithCaveat(
            recipe=result.recipe,
            product=result.product,
            pipeline=result.pipeline,
            quality=result.quality.word,
            causes=tuple(dict.fromkeys(caveat.cause for caveat in result.quality.caveats)),
            is_published=result.is_published,
            is_new=result.key in self._records.computed_keys,
        )

    def _of_open_programs(self, items: Iterable[T], name_of: Callable[[T], str]) -> list[T]:
        """Return the items whose names are of programs without exclusive files.

        If there are such files, items are left out whose names do not begin as those of MAST.
        """
        items = list(items)
        if self._all or not (items and self._closed):
            return items
        named = [(each, _programs_in(name_of(each))) for each in items]
        kept = [each for each, programs in named if programs and not programs & self._closed]
        self.left_out += len(items) - len(kept)
        return kept

    @cached_property
    def _closed(self) -> set[int]:
        """The programs with exclusive files, published or found by the poll."""
        generations = Generations(self._mirror)
        rows = generations.entries()
        closed = generations.access().closed(rows)
        pairs = zip(rows.column("path"), rows.column("sha256"), strict=True)
        published = (path.rpartition("/")[2] for path, sha256 in pairs if sha256 in closed)
        found = {c.product.program for c in self._records.changes if c.product.is_closed}
        return {number for name in published for number in _programs_in(name)} | found


def _programs_in(text: str) -> set[int]:
    """Return the programs that names of files or products in a text begin with."""
    return {int(number) for number in PROGRAM.findall(text)}


def _failed(failure: Failure) -> FailedPart:
    return FailedPart(name=failure.name, why=failure.message.removeprefix(f"{failure.name}: "))
