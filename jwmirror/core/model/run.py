"""Records of one call of the workflow."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from jwmirror.core.model.plan import (
    Chain,
    ExcludedFiles,
    PartialMatch,
    Plan,
    Published,
    Receipt,
    ReferenceFinding,
    References,
    SettleResult,
    Wait,
)
from jwmirror.core.model.product import (
    NEW,
    WITHHELD,
    Change,
    Doubt,
    Poll,
    RefusedProduct,
)
from jwmirror.core.model.quality import JudgedResult
from jwmirror.core.model.stored import Failure


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A run that ended before it published: when, in which rule, and why, as far as is known."""

    run: str  # its id
    at: str  # ISO, UTC; of a run that recorded no reason, when it began
    rule: str = ""  # whose job failed; "": none did: the run was killed, or is at work
    why: str = ""
    programs: tuple[int, ...] = ()  # of the queries to MAST, if they failed
    is_limit: bool = False  # the run is larger than the config allows


@dataclass(frozen=True)
class StageBeat:
    """A stage that a job computes now, and the step that it is in."""

    recipe: str
    product: str
    pipeline: str
    step: str  # "" before the first step
    since: str  # ISO, UTC: when this step began
    began: str = ""  # when the stage began


@dataclass(frozen=True, kw_only=True)
class FetchBeat:
    """What a job has fetched until now."""

    files: int
    bytes: int
    rate: float  # bytes/s, lately
    expected_files: int = 0  # of a sync of references; of others, their order says it
    expected: int = 0  # bytes


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """A sign that a job of a run is alive, which it rewrites every few seconds."""

    host: str
    pid: int
    at: str  # ISO, UTC
    stages: tuple[StageBeat, ...] = ()
    ended: int = 0  # chains that this attempt has computed, or that failed
    fetch: FetchBeat | None = None  # of a job that fetches


@dataclass(frozen=True, kw_only=True)
class Executor:
    """The executor that Snakemake runs the jobs of a run with, as far as jobs must know it."""

    job_name: str = ""  # of all its jobs in Slurm; "" with another executor
    picks_partitions: bool = False  # by what a job requests
    retries: int = 0  # restarts of a job that failed
    logs: str = ""  # folder with the logs that Slurm writes, until a job succeeds; "": none


@dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """What a run is expected to need."""

    jobs: int
    threads: int  # of one job, at most
    memory: int  # bytes that one job requests, at most
    cpu_hours: float  # threads of all jobs
    seconds: float  # one job after the other
    seconds_at_once: float  # all jobs of a level at the same time
    results: int  # bytes
    fetch: int = 0  # bytes that the last poll found, and no run has fetched
    too_large: tuple[str, ...] = ()  # what fits no partition, in words


@dataclass(frozen=True, kw_only=True)
class RunMessage:
    """What a run reports to the `jwmirror run` that has started it."""

    kind: Literal["begun", "note", "error"]
    text: str  # begun: the id of the run; else in words; of an error, one sentence
    details: tuple[str, ...] = ()  # of an error: lines
    mirror: str = ""  # begun: the absolute path


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Later runs that found everything as one run had left it; their own records are deleted."""

    at: str  # ISO, UTC: when MAST answered the last of them
    runs: int
    last: str = ""  # id of the last of them, so that it is counted once


@dataclass(frozen=True, kw_only=True)
class Run:
    """The records of one run; those of stages that it did not reach are None or empty."""

    id: str
    poll: Poll | None = None
    settling: SettleResult | None = None
    references: References | None = None
    plans: tuple[Plan, ...] = ()
    fetch_receipts: tuple[Receipt, ...] = ()
    batch_receipts: tuple[Receipt, ...] = ()
    published: Published | None = None
    held_back: tuple[JudgedResult, ...] = ()  # results that it did not publish
    refused: tuple[RefusedProduct, ...] = ()  # by earlier runs; see still_refused
    stops: tuple[Stop, ...] = ()  # of this run and later ones that did not publish, oldest first
    confirmed: Confirmation | None = None  # then the records are as the last of these runs saw them

    def confirmed_by(self, confirmation: Confirmation) -> "Run":
        """Return the records as a later run would have written them that changed nothing."""
        listings = self.poll.listings if self.poll else ()
        listings = tuple(replace(each, asked_at=confirmation.at) for each in listings)
        findings = tuple(replace(finding, is_new=False) for finding in self.findings)
        return replace(
            self,
            poll=self.poll and replace(self.poll.repeated, listings=listings),
            references=self.references and replace(self.references, findings=findings),
            plans=tuple(replace(plan, batches={}) for plan in self.plans),
            fetch_receipts=(),
            batch_receipts=(),
            published=self.published and replace(self.published, is_new=False),
            confirmed=confirmation,
        )

    @property
    def changes(self) -> tuple[Change, ...]:
        """The differences between MAST and the mirror.

        Without files that were fetched to compare them, and have the bytes that the mirror has.
        """
        fetched = {
            (version.product.uri, version.sha256)
            for receipt in self.fetch_receipts
            for version in receipt.versions
        }
        changes = self.poll.changes if self.poll else ()
        return tuple(
            change for change in changes if (change.product.uri, change.held) not in fetched
        )

    @property
    def first_polls(self) -> dict[int, int]:
        """Programs that were polled for the first time -> number of their products."""
        firsts = self.poll.first if self.poll else ()
        backlog = (change for change in self.changes if self._is_backlog(change))
        counts = Counter(change.product.program for change in backlog)
        return {program: counts[program] for program in firsts}

    @property
    def changes_since_first_poll(self) -> tuple[Change, ...]:
        """The changes, without the products that a first poll finds."""
        return tuple(change for change in self.changes if not self._is_backlog(change))

    def _is_backlog(self, change: Change) -> bool:
        firsts = self.poll.first if self.poll else ()
        return change.kind == NEW and change.product.program in firsts

    @property
    def chains(self) -> tuple[Chain, ...]:
        """Everything that was out of date, in the order of the plans."""
        return tuple(chain for plan in self.plans for chain in plan.chains)

    @property
    def waits(self) -> tuple[Wait, ...]:
        """The exposures and associations that cannot be calibrated yet."""
        return tuple(wait for plan in self.plans for wait in plan.waits)

    @property
    def partial_matches(self) -> tuple[PartialMatch, ...]:
        """The where-blocks that meet only some science members of an association."""
        return tuple(match for plan in self.plans for match in plan.partial_matches)

    @property
    def excluded(self) -> tuple[ExcludedFiles, ...]:
        """The files that recipes exclude, by product."""
        return tuple(files for plan in self.plans for files in plan.excluded)

    @property
    def plan_notes(self) -> tuple[str, ...]:
        """The remarks of the plans, for people."""
        return tuple(note for plan in self.plans for note in plan.notes)

    @property
    def still_refused(self) -> tuple[RefusedProduct, ...]:
        """The products that earlier runs refused, and this one did not get either."""
        arrived = {v.product.filename for receipt in self.fetch_receipts for v in receipt.versions}
        return tuple(product for product in self.refused if product.filename not in arrived)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures of this run, and the refusals: no run can calibrate these as they are.

        Without the downloads that were refused before.
        """
        known = {(product.filename, product.version) for product in self.refused}
        refused = (wait for plan in self.plans for wait in plan.failures)
        receipts = (*self.fetch_receipts, *self.batch_receipts)
        doubts = self.poll.doubts if self.poll else ()
        return (
            *map(failed_listing, doubts),
            *(
                failure
                for receipt in receipts
                for failure in receipt.failures
                if not failure.is_withheld and (failure.name, failure.refused) not in known
            ),
            *(Failure(f"{w.recipe}: {w.product}", w.why, w.recipe, w.product) for w in refused),
        )

    @property
    def withheld(self) -> tuple[str, ...]:
        """The names of the files that MAST withheld, with the token or without."""
        failures = (failure for receipt in self.fetch_receipts for failure in receipt.failures)
        return (
            *(change.product.filename for change in self.changes if change.kind == WITHHELD),
            *(failure.name for failure in failures if failure.is_withheld),
        )

    @property
    def findings(self) -> tuple[ReferenceFinding, ...]:
        """The findings about references, those of earlier runs that still hold included."""
        return self.references.findings if self.references else ()

    @property
    def new_findings(self) -> tuple[ReferenceFinding, ...]:
        """The findings about references that no earlier run had."""
        return tuple(finding for finding in self.findings if finding.is_new)

    @property
    def computed_keys(self) -> tuple[str, ...]:
        """Keys of the results that this run computed itself."""
        return tuple(key for receipt in self.batch_receipts for key in receipt.computed)

    @property
    def unfinished(self) -> tuple[Chain, ...]:
        """The chains that are still out of date: they failed, or the run was interrupted."""
        results = (result for receipt in self.batch_receipts for result in receipt.results)
        made = {(result.recipe, result.pipeline, result.product) for result in results}
        return tuple(
            chain
            for chain in self.chains
            if any((chain.recipe, d.pipeline, d.product) not in made for d in chain.derivations)
        )


def failed_listing(doubt: Doubt) -> Failure:
    """Return a doubt as a failure of its run."""
    return Failure(name=f"MAST's listing, {doubt.scope}", message=doubt.why)
