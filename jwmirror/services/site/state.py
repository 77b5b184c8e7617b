"""The state of a mirror from which its sites are made: read once, for both."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import digest, read, write
from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.model.history.reasons import words_of
from jwmirror.core.model.product import WITHHELD
from jwmirror.core.model.quality import CAVEAT
from jwmirror.core.model.run import Run
from jwmirror.core.model.stored import Setup
from jwmirror.crds.affected import reference_notices
from jwmirror.pipeline.derivation import differences
from jwmirror.report.history import History, generation_record
from jwmirror.report.quality import doubtful_results
from jwmirror.report.status import Status, build_status
from jwmirror.services.causes.reprocessing import kept_change
from jwmirror.services.inspect.answers.changed_parameters import reference_cache
from jwmirror.services.inspect.answers.exclusive import ExclusiveData
from jwmirror.services.inspect.answers.recommended import (
    RecipeOrder,
    made_before_raw_data,
    mosaic_faults,
    recipe_order,
)
from jwmirror.services.inspect.log import mirror_history
from jwmirror.services.inspect.status import undecided_since, undone_causes
from jwmirror.services.site.attention import place_named
from jwmirror.services.site.differences import (
    DifferenceRecords,
    DifferingFile,
    GenerationDifferences,
)
from jwmirror.services.site.generation_pages import MOST_PAGES
from jwmirror.services.site.made_results import MadeResults
from jwmirror.services.site.shown_rows import ShownRow, shown_rows
from jwmirror.store.access import COLUMNS as ACCESS
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.pins import read_hold
from jwmirror.store.rows.differences import CHANGED
from jwmirror.store.runs import last_run, read_undecided

REASONS = 3  # of a changed result, in words


class ClosedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The closed objects among the files in which a generation differs."""

    access: str  # digest of what is closed now
    sha256: list[str]


class MirrorState:
    """What the pages of both sites are made from."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self.generations = Generations(root)
        self.current: StoredGeneration = self.generations.require_current()
        self.entries = self.current.entries()
        self._access = self.generations.access_beside(self.current.number, self.entries)
        self.closed = self._access.closed(self.entries)
        self.setup = self._setup(self.current)
        recipes, references = (
            (self.setup.recipes, reference_cache(self.setup)) if self.setup else ((), None)
        )
        self.results = MadeResults(root, recipes, references)
        self._records = DifferenceRecords(root, {self.current.number: self.entries})
        today = datetime.now(UTC).date().isoformat()
        term_of = ExclusiveData(root, self.entries, self.closed).term
        self._ages = made_before_raw_data(self.entries)
        self.rows: list[ShownRow] = shown_rows(
            self.entries, self.closed, term_of, today, self._ages
        )
        self.reasons = cache(self._reasons)
        self.closed_around = cache(self._closed_around)

    @cached_property
    def places(self) -> frozenset[tuple[str, str]]:
        """The observations that have files."""
        return frozenset(row.place for row in self.rows)

    @cached_property
    def closed_places(self) -> frozenset[tuple[str, str]]:
        """The observations with exclusive files, published or found by the last run."""
        found = self._run.changes if self._run else ()
        return frozenset(row.place for row in self.rows if row.is_closed) | {
            place_named(each.product.filename)
            for each in found
            if each.product.is_closed and each.kind != WITHHELD  # of which the mirror has nothing
        }

    @cached_property
    def roots_of_mast(self) -> frozenset[str]:
        """The names of the exposures and combined products of MAST."""
        return frozenset(row.root for row in self.rows if row.is_upstream)

    @cached_property
    def _run(self) -> Run | None:
        return last_run(self.root)

    @cached_property
    def status(self) -> Status:
        """The state that `jwmirror status` shows without a config, without counts of files."""
        run = self._run
        status = build_status(
            str(self.root),
            generation_record(self.current),
            (),
            run,
            look_at=doubtful_results(self.doubtful.values(), run.held_back if run else ()),
            references=reference_notices(self.root, run.findings if run else ()),
            hold=read_hold(self.root),
        )
        return replace(
            status,
            undecided=undecided_since(self.root),
            undone=tuple(undone_causes(self.root, self.current, run)),
        )

    @cached_property
    def out_of_date(self) -> frozenset[tuple[str, str]]:
        """The recipes and products that the last run left to be made again."""
        return frozenset((each.recipe, each.product) for each in self.status.out_of_date)

    @cached_property
    def mosaic_faults(self) -> dict[str, str]:
        """The faults of each version of each mosaic and cube, by path; "" for one fit for use."""
        return mosaic_faults(self.entries, self.out_of_date, self._ages)

    @cached_property
    def recipe_order(self) -> RecipeOrder:
        """The recipes in the order of the config."""
        return recipe_order(self.root, self.current.number, self.setup)

    @cached_property
    def undecided(self) -> dict[str, str]:
        """The files that may have changed at MAST without a sign of it: since when, by name."""
        found = read_undecided(self.root)
        return {uri.rpartition("/")[2]: since for uri, since in found.items()}

    @cached_property
    def history(self) -> History:
        """All generations."""
        return mirror_history(self.root)

    @cached_property
    def listed(self) -> tuple[int, ...]:
        """The numbers of the generations that have pages, in order."""
        return tuple(each.number for each in reversed(self.history.generations[:MOST_PAGES]))

    @cached_property
    def differing(self) -> dict[int, GenerationDifferences | None]:
        """The files in which each of these differs from its parent."""
        of = self._records.of
        return {number: of(self.generations.read(number)) for number in self.listed}

    @cached_property
    def doubtful(self) -> dict[str, Entry]:
        """The rows of results with caveats, by path."""
        return {entry.path: entry for entry in self.entries.where("quality", CAVEAT)}

    @cached_property
    def access_digest(self) -> str:
        """The digest of what is closed: if it changes, all pages are made again."""
        exclusive = sorted(row.path for row in self.rows if row.is_exclusive)
        return digest([exclusive, sorted(self.closed)])

    def setup_of(self, number: int) -> Setup | None:
        """Return what a generation was published with; None if it is not known."""
        return self._setup(self.generations.read(number))

    def _setup(self, generation: StoredGeneration) -> Setup | None:
        try:
            return generation.setup()
        except StoreError:  # it is damaged, which `verify` reports
            return None

    def is_closed(self, number: int, file: DifferingFile) -> bool:
        """Return whether others may not read a file that differs in a generation, or did before."""
        closed = self.closed_around(number)
        return file.new in closed or file.old in closed

    def _closed_around(self, number: int) -> frozenset[str]:
        """Return those objects of the differing files of a generation that are closed.

        They are kept as long as the access to all files stays as it is.
        """
        differing = self.differing[number]
        if differing is None:
            return frozenset()
        path = self.root / "receipts" / "site" / f"closed-{number:06d}.json"
        with suppress(FileNotFoundError, StoreError):
            kept = read(path, ClosedFiles)
            if kept.access == self.access_digest:
                return frozenset(kept.sha256)
        paths = {file.path for file in differing.files}
        parent = self.generations.read(number).parent
        try:
            closed = self._closed_among(number, paths) | self._closed_among(parent, paths)
        except StoreError:  # it was pruned, so access to its files is not known
            closed = {sha256 for file in differing.files for sha256 in (file.old, file.new)}
        write(path, ClosedFiles(access=self.access_digest, sha256=sorted(closed)), mode=0o600)
        return frozenset(closed)

    def _closed_among(self, number: int | None, paths: set[str]) -> set[str]:
        if number is None:
            return set()
        rows = self._records.rows.get(number)
        if rows is None:
            rows = self.generations.read(number).columns("path", *ACCESS)
        places = [row for row, path in enumerate(rows.column("path")) if path in paths]
        return self._access.closed(rows.rows(places))

    # ---- how versions differ -------------------------------------------------------------------

    def details(self, number: int, file: DifferingFile) -> str:
        """Return how two versions of a file differ in a generation, or why, in words."""
        words, differing = [file.details] if file.details else [], self.differing[number]
        causes = differing.causes_of(file) if differing else ()
        if file.kind == CHANGED and file.origin == UPSTREAM:
            change = kept_change(self.root, file.old, file.new)
            words += [str(change)] if change else []
        elif causes:
            words += _first(causes)
        elif file.kind == CHANGED:
            words += self.reasons(file.old_key, file.key)
        return "; ".join(words)

    def _reasons(self, old: str, new: str) -> tuple[str, ...]:
        """Return how the records of two results differ, where the causes are not known.

        That is so if a generation was pruned before this version of jwmirror wrote the site.
        """
        before, after = self.results.record(old), self.results.record(new)
        if old == new or before is None or after is None:
            return ()
        found = differences(before.derivation, after.derivation)
        return _first(tuple(dict.fromkeys(map(words_of, found))))


def _first(words: Sequence[str]) -> tuple[str, ...]:
    """Return the first of several reasons, and how many more there are."""
    more = [f"and {len(words) - REASONS} more"] if len(words) > REASONS else []
    return (*words[:REASONS], *more)
