"""Calibrate the exposures or associations of one batch."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from jwmirror.core.model import Chain, Failure, Poll, Receipt, References, SettleResult
from jwmirror.core.model.jobs.attempts import Attempt, stage_name
from jwmirror.crds.cache import CacheHashes, ledger_of
from jwmirror.engine.allocation import end_attempt
from jwmirror.engine.batch import calibrate
from jwmirror.engine.heartbeats import Heartbeats
from jwmirror.services.run.jobs.arrivals import await_inputs
from jwmirror.services.run.jobs.attempts import BatchJob, recorded_attempt
from jwmirror.services.run.jobs.folders import job_folder, scratch_folder
from jwmirror.services.run.quality.stored_files import measure_archived
from jwmirror.services.run.references import offline_resolvers
from jwmirror.services.run.results import ResultStore
from jwmirror.store.runs import RunFiles, upstream_after


def calibrate_batch(
    *,
    mirror: Path,
    job: BatchJob,
    chains: Sequence[Chain],
    references: References,
    poll: Poll,
    settling: SettleResult,
    cache: Path,
    work: Path,
    logs: Path,
    timeout_s: float,
    scratch: str = "",
    latency_s: float = 0.0,
) -> Receipt:
    """Compute what a batch lacks, and store it, with what the system gives to this job.

    It works below `work` (of its run) or in `scratch` (with variables); `logs` is its own. What
    others store may appear `latency_s` late. MAST's files of the same names are measured, too.

    Raises:
        ShortOfMemoryError: an exposure was killed even alone, and a restart can have more.
    """
    offline_resolvers(cache, references)  # sets the environment of CRDS for the workers, too
    with (
        job_folder(work, job.record, mirror) as own,
        scratch_folder(scratch, own) as folder,
        recorded_attempt(job) as present,
        closing(Heartbeats(RunFiles(job.run).heartbeat(job.level, job.batch))) as heartbeats,
    ):
        await_inputs(mirror, chains, latency_s)
        tried, left_out = without_fatal(chains, present.fatal)
        receipt = calibrate(
            tried,
            ResultStore(mirror),
            work=folder,
            logs=logs,
            timeout_s=timeout_s,
            reference_sha1=CacheHashes(cache, ledger_of(mirror, cache)).sha1_of,
            heartbeats=heartbeats,
            **present.limits,
        )
        receipt = _of_all_attempts(receipt, present.earlier, left_out)
        if receipt.computed:
            measure_archived(mirror, receipt, upstream_after(mirror, poll, settling.waiting))
    return replace(receipt, attempts=(*receipt.attempts, end_attempt(present.attempt, "done")))


def without_fatal(
    chains: Iterable[Chain], fatal: Collection[str]
) -> tuple[list[Chain], list[Failure]]:
    """Return the chains without those that have a `fatal` stage, and the failures of these."""
    tried: list[Chain] = []
    left_out: list[Failure] = []
    for chain in chains:
        if pipeline := fatal_stage(chain, fatal):
            left_out.append(_left_out(chain, pipeline))
        else:
            tried.append(chain)
    return tried, left_out


def fatal_stage(chain: Chain, fatal: Collection[str]) -> str:
    """Return the pipeline of the first stage of a chain that is `fatal`; "" if none is."""
    for derivation in chain.derivations:
        if stage_name(chain.recipe, derivation.pipeline, derivation.product) in fatal:
            return derivation.pipeline
    return ""


def _left_out(chain: Chain, pipeline: str) -> Failure:
    """Return the failure of a chain that the last attempt of its job does not try."""
    return Failure(
        name=f"{chain.recipe}/{chain.product}",
        message=(
            f"{pipeline}: its job was killed whenever this stage ran, so the last attempt left it "
            "out, and all else is published; give jobs more memory (calibrate.memory in the "
            "config), or exclude it (`exclude` of the recipe)."
        ),
        recipe=chain.recipe,
        product=chain.product,
        cause="killed",
    )


def _of_all_attempts(
    receipt: Receipt, earlier: Sequence[Attempt], left_out: Sequence[Failure]
) -> Receipt:
    """Return the receipt of the last attempt of a job with what the earlier ones did."""
    return replace(
        receipt,
        computed=computed_by_all(receipt, earlier),
        failures=(*receipt.failures, *left_out),
        attempts=tuple(earlier),
    )


def computed_by_all(receipt: Receipt, earlier: Sequence[Attempt]) -> tuple[str, ...]:
    """Return the keys that the attempts of a job have computed; `receipt` is of the last one.

    A batch has nothing that existed before, so what the last one found, one before it computed.
    """
    if all(attempt.end == "never started" for attempt in earlier):
        return receipt.computed
    return tuple(dict.fromkeys(result.key for result in receipt.results))
