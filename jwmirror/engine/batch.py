"""Calibration of a batch: results that exist are looked up, the others are computed."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Protocol

from jwmirror.core.errors import CalibrationError, JwmirrorError, as_typed, disk_error, error_line
from jwmirror.core.files import path_below
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Chain, Derivation, Failure, Input, Receipt, Result, ResultFile
from jwmirror.core.model.plan import Cost, Output, Spent
from jwmirror.core.model.quality import Measurements
from jwmirror.core.model.stored import FailureCause
from jwmirror.engine.client import StageClient, StageError
from jwmirror.engine.forkserver import (
    DISK,
    DONE,
    FAILED,
    KILLED,
    LATE,
    RUNNING,
    StageJob,
    StageOutcome,
)
from jwmirror.engine.heartbeats import Heartbeats
from jwmirror.engine.memory_pool import MemoryPool
from jwmirror.engine.star_queries import slice_objects
from jwmirror.pipeline import ramps
from jwmirror.pipeline.derivation import bind, forms_of, key_of, result_of

Files = tuple[ResultFile, ...]
SHA1_LENGTH = 40  # of references of CRDS; files of the user have a sha256, and N/A has none
JOB_ENDS = "the time limit of the last attempt of its job was near"
MORE_TIME = "raise `runtime` or `restart-times` in the profile, or name a partition with more time"
ReferenceSha1 = Callable[[str], str]  # of a reference's name


class Results(Protocol):
    """The store of results as workers use it; called from one thread at a time."""

    def locate(self, sha256: str) -> Path:
        """Return the path of an object."""

    def recall(self, key: str) -> Files | None:
        """Return the files of the result with this key; None unless all exist."""

    def measurements(self, key: str) -> Measurements | None:
        """Return what was measured on the result with this key; None if nothing was recorded."""

    def store_result(
        self,
        derivation: Derivation,
        outputs: Sequence[Output],
        cost: Cost,
        measurements: Measurements | None,
        chain: Chain,
    ) -> Files:
        """Move the files of a result of a chain into the store, with its record; return them."""


@dataclass(frozen=True)
class ChainOutcome:
    """The results of one chain up to its failure, if there was one."""

    results: tuple[Result, ...]
    failure: Failure | None

    @property
    def was_killed(self) -> bool:
        """True if the system killed a stage of the chain."""
        return self.failure is not None and self.failure.cause == KILLED


class ShortOfMemoryError(CalibrationError):
    """Exposures were killed although they had all the memory of their job."""

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        super().__init__(
            f"{', '.join(names)}: killed also when tried again alone; the other results are in "
            "the store; the job is tried again with more memory."
        )


def calibrate(
    chains: Iterable[Chain],
    results: Results,
    workers: int,
    work: Path,
    logs: Path,
    timeout_s: float,
    memory_limit: float = inf,
    has_retries_left: bool = False,
    reference_sha1: ReferenceSha1 | None = None,
    heartbeats: Heartbeats | None = None,
    seconds_left: float = inf,
) -> Receipt:
    """Calibrate the chains of a batch; a failure affects only its own chain.

    At most `workers` exposures run at a time, fewer if their estimated memory exceeds
    `memory_limit` (bytes). Stages run in folders below `work`, which are removed; their messages
    are appended to `logs`/<product>.log, those of the fork servers to `logs`/worker.log. The
    `heartbeats` say meanwhile which stages run. Hooks are looked for in the working directory. CRDS
    is used as os.environ says. `reference_sha1` returns the sha1 of a reference as it is now ("" if
    it does not exist), which is compared with the derivation before and after a stage. A stage that
    the system kills is tried once more, alone. After `seconds_left`, stages that run are stopped,
    and none begins.

    Raises:
        ShortOfMemoryError: it was killed again, and the job can be tried with more memory
            (`has_retries_left`). Otherwise this is an ordinary failure.
    """
    # chains of one exposure run one after the other: a result that recipes share is computed once
    exposures = list(group_by(chains, lambda chain: chain.product).values())
    runner = ChainRunner(
        results,
        work,
        logs,
        timeout_s,
        memory=MemoryPool(memory_limit),
        reference_sha1=reference_sha1,
        heartbeats=heartbeats,
        seconds_left=seconds_left,
    )
    with closing(runner):
        outcomes = runner.run_all(exposures, workers)
    killed = [each.failure.name for each in outcomes if each.failure and each.was_killed]
    if has_retries_left and killed:
        raise ShortOfMemoryError(killed)
    return _receipt(outcomes, runner)


class ChainRunner:
    """Runs chains; it starts one fork server per Python when it is first needed."""

    def __init__(
        self,
        results: Results,
        work: Path,
        logs: Path,
        timeout_s: float,
        memory: MemoryPool,
        reference_sha1: ReferenceSha1 | None = None,
        heartbeats: Heartbeats | None = None,
        seconds_left: float = inf,
    ):
        self._results, self._work, self._logs, self._timeout_s = results, work, logs, timeout_s
        self._logs.mkdir(parents=True, exist_ok=True)
        self._memory, self._reference_sha1 = memory, reference_sha1
        self._heartbeats = heartbeats or Heartbeats()
        self._end = time.monotonic() + seconds_left
        self._base = Path.cwd()  # where snakemake was called
        self.computed: set[str] = set()  # keys of the results that were computed
        self.spent: list[Spent] = []  # by each stage, in the order in which they ended
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], StageClient] = {}  # by Python and context

    def _client(self, python: str, context: str) -> StageClient:
        """Return the client of the fork server of a Python and a context, as in Chain."""
        with self._lock:
            if (python, context) not in self._clients:
                number = f"-{len(self._clients) + 1}" if self._clients else ""
                log = self._logs / f"worker{number}.log"
                client = StageClient(log, python or sys.executable, context)
                self._clients[python, context] = client
            return self._clients[python, context]

    def close(self) -> None:
        """End the fork servers, which kill the stages that still run."""
        for client in self._clients.values():
            client.close()

    def run_all(self, exposures: Sequence[list[Chain]], workers: int) -> list[ChainOutcome]:
        """Run the chains of exposures in parallel, and those of killed ones again, one by one.

        An interrupt stops them.
        """
        with ThreadPoolExecutor(max(1, workers)) as executor:
            try:
                first = list(executor.map(self.run, exposures))
            except BaseException:
                self.close()
                executor.shutdown(cancel_futures=True)
                raise
        last = (
            self.run(exposure) if any(each.was_killed for each in outcomes) else outcomes
            for exposure, outcomes in zip(exposures, first, strict=True)
        )
        return [outcome for outcomes in last for outcome in outcomes]

    def run(self, chains: Iterable[Chain]) -> list[ChainOutcome]:
        """Run the chains of one exposure, in order, as soon as there is memory for them."""
        chains = list(chains)
        with self._memory.reserve(max((chain.memory for chain in chains), default=0)):
            return [self._run_chain(chain) for chain in chains]

    def _run_chain(self, chain: Chain) -> ChainOutcome:
        results: list[Result] = []
        place = (chain.recipe, chain.program, chain.observation)
        files: Files = ()
        failure = None
        try:
            for derivation in chain.derivations:
                parts = self._derive(bind(derivation, files), chain)
                for part, files in parts:
                    results.append(result_of(*place, part, files))
        except (JwmirrorError, OSError) as err:
            failure = _failure(chain, err)
        self._heartbeats.note_end(chain)
        return ChainOutcome(tuple(results), failure)

    def _derive(self, derivation: Derivation, chain: Chain) -> list[tuple[Derivation, Files]]:
        """Return a derivation with the files of its result, computed if it does not exist.

        If the recipe keeps ramps, the ramp is the first of two results.
        """
        forms = list(forms_of(derivation, chain.former.get(derivation.pipeline)))
        known = self._recall(forms)
        if not ramps.keeps_ramp(derivation, chain.keep):
            return known or self._compute(derivation, chain)
        ramp = self._recall(map(ramps.ramp_derivation, forms))
        if known:
            return ramp + known
        if ramp:
            ((_, ramp_files),) = ramp
            return ramp + self._compute(derivation, chain, ramps.RESUME, ramp_files)
        return self._compute(derivation, chain, ramps.KEEP)

    def _recall(self, forms: Iterable[Derivation]) -> list[tuple[Derivation, Files]]:
        """Return the first form of a derivation that has a result, with its files, if one has."""
        for form in forms:
            with self._lock:
                files = self._results.recall(key_of(form))
            if files:
                return [(form, files)]
        return []

    def _compute(
        self,
        derivation: Derivation,
        chain: Chain,
        ramp_mode: str = ramps.FULL,
        ramp_files: Files = (),
    ) -> list[tuple[Derivation, Files]]:
        """Run a stage in a private folder with links to its inputs, and store its files."""
        name = f"{derivation.product}-{derivation.pipeline}-{key_of(derivation)[:12]}"
        folder = path_below(self._work, name, "an association", CalibrationError).absolute()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)  # what is made here may be exclusive
        try:
            sources = {item.name: self._source(item) for item in derivation.inputs}
            objects = {file.filename: file.sha256 for file in ramp_files}
            objects |= slice_objects(derivation)
            sources |= {name: self._results.locate(sha256) for name, sha256 in objects.items()}
            for filename, source in sources.items():
                link = path_below(folder, filename, f"an input of {name}", CalibrationError)
                link.symlink_to(source.absolute())
            self._check_references(derivation)
            outcome = self._run_stage(derivation, chain, folder, ramp_mode)
            self._check_references(derivation)
            measured = self._measured(derivation, outcome, ramp_mode)
            return [
                (part, self._store(part, outputs, outcome.cost, measured, chain))
                for part, outputs in ramps.split_outputs(derivation, outcome.outputs, ramp_mode)
            ]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _source(self, item: Input) -> Path:
        """Return the path of an input: a file of the user, or an object of the store."""
        return Path(item.path) if item.path else self._results.locate(item.sha256)

    def _check_references(self, derivation: Derivation) -> None:
        """Raise CalibrationError unless the references in the cache are those in the key."""
        for name, sha1 in derivation.references.values():
            if self._reference_sha1 is None or len(sha1) != SHA1_LENGTH:
                continue
            present = self._reference_sha1(name)
            if present != sha1:
                raise CalibrationError(
                    f"{derivation.pipeline}: reference {name}: expected sha1 {sha1}, found "
                    f"{present or 'no file'} in the cache; nothing of this stage was kept; "
                    f"{as_typed('references verify --repair')} fetches the right file; "
                    "then run again."
                )

    def _measured(
        self, derivation: Derivation, outcome: StageOutcome, ramp_mode: str
    ) -> Measurements | None:
        """Return the measurements of a run, with the fallbacks of the ramp that it began with."""
        if ramp_mode != ramps.RESUME or outcome.measurements is None:
            return outcome.measurements
        with self._lock:
            earlier = self._results.measurements(key_of(ramps.ramp_derivation(derivation)))
        before = earlier.fallbacks if earlier else ()
        return replace(outcome.measurements, fallbacks=before + outcome.measurements.fallbacks)

    def _store(
        self,
        part: Derivation,
        outputs: Sequence[Output],
        cost: Cost,
        measured: Measurements | None,
        chain: Chain,
    ) -> Files:
        measured = ramps.measurements_of_part(part, outputs, measured) if measured else None
        with self._lock:
            files = self._results.store_result(part, outputs, cost, measured, chain)
            self.computed.add(key_of(part))
        return files

    def _run_stage(
        self, derivation: Derivation, chain: Chain, folder: Path, ramp_mode: str
    ) -> StageOutcome:
        """Run a stage and note what it took; raise StageError unless it is done."""
        name = f"{derivation.product}.log"
        log = path_below(self._logs, name, "an association", CalibrationError).absolute()
        left = self._end - time.monotonic()
        if left <= 0:
            why = f"{JOB_ENDS}, and it did not begin; {MORE_TIME}"
            raise StageError(LATE, f"{derivation.pipeline}: {why}.")
        job = StageJob(
            derivation=derivation,
            folder=str(folder),
            base=str(self._base),
            log=str(log),
            timeout_s=min(self._timeout_s, left),
            ramp_mode=ramp_mode,
        )
        client = self._client(chain.python, chain.context)
        with self._heartbeats.stage(chain, derivation) as note_step:
            outcome = client.run(job, note_step)
        cost = outcome.cost
        names, seconds = (derivation.pipeline, derivation.product), round(cost.seconds, 3)
        self.spent.append(Spent(*names, seconds, cost.peak_memory))
        if outcome.kind == DONE or outcome.kind == RUNNING:  # the client passes on no RUNNING
            return outcome
        why = _why_not_done(outcome, self._timeout_s, is_end_of_job=left < self._timeout_s)
        message = f"{derivation.pipeline}: {why}; messages are in {log}."
        raise StageError(outcome.kind, message, log.name)


def _why_not_done(outcome: StageOutcome, timeout_s: float, is_end_of_job: bool) -> str:
    """Return why a stage is not done, in words; `is_end_of_job`: a late one had no time left."""
    if outcome.kind == KILLED:
        return (
            f"the system killed it, probably for lack of memory ({outcome.error}; peak memory "
            f"{outcome.cost.peak_memory / 1e9:.1f} GB), also when tried again alone; give the job "
            "more memory"
        )
    if outcome.kind == LATE and is_end_of_job:
        return f"{JOB_ENDS}, and it was stopped; {MORE_TIME}"
    if outcome.kind == LATE:
        return (
            f"it took longer than {timeout_s:g} s and was stopped; raise calibrate.timeout in the "
            "config"
        )
    return outcome.error.rstrip(".")


def _receipt(outcomes: Sequence[ChainOutcome], runner: ChainRunner) -> Receipt:
    results = tuple(result for outcome in outcomes for result in outcome.results)
    keys = dict.fromkeys(result.key for result in results)
    return Receipt(
        results=results,
        computed=tuple(key for key in keys if key in runner.computed),
        spent=tuple(runner.spent),
        failures=tuple(outcome.failure for outcome in outcomes if outcome.failure),
    )


def _failure(chain: Chain, error: JwmirrorError | OSError) -> Failure:
    """Return what ended a chain, with its cause."""
    cause: FailureCause = DISK if disk_error(error) else FAILED
    log = ""
    if isinstance(error, StageError):
        cause, log = error.kind, error.log
    return Failure(
        name=f"{chain.recipe}/{chain.product}",
        message=error_line(error),
        recipe=chain.recipe,
        product=chain.product,
        cause=cause,
        log=log,
    )
