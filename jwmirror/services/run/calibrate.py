"""Calibrate the exposures or associations of one batch."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from jwmirror.core.model import Chain, Failure, Poll, Receipt, References, SettleResult
from jwmirror.core.model.jobs.attempts import Attempt, stage_name
from jwmirror.crds.cache import CacheHashes, ledger_of
from jwmirror.engine.allocation import end_attempt
from jwmirror.engine.batch import calibrate
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

    It works in a folder below `work`, the work folder of its run, or, if there is one, in `scratch`
    (with variables, such as $TMPDIR); `logs` is for this job only. What other machines have stored
    may appear up to `latency_s` seconds late. MAST's files of the same names are measured here too,
    because results are compared with them.

    Raises:
        ShortOfMemoryError: an exposure was killed even when it ran alone, and another attempt
            can get more memory. Other failures are in the receipt.
    """
    offline_resolvers(cache, references)  # sets the environment of CRDS for the workers, too
    with (
        job_folder(work, job.record, mirror) as own,
        scratch_folder(scratch, own) as folder,
        recorded_attempt(job) as present,
    ):
        await_inputs(mirror, chains, latency_s)
        left_out = [chain for chain in chains if fatal_stage(chain, present.fatal)]
        receipt = calibrate(
            [chain for chain in chains if chain not in left_out],
            ResultStore(mirror),
            workers=present.side_by_side,
            work=folder,
            logs=logs,
            timeout_s=timeout_s,
            memory_limit=present.memory_limit,
            has_retries_left=present.can_get_more_memory,
            seconds_left=present.seconds_left,
            reference_sha1=CacheHashes(cache, ledger_of(mirror, cache)).sha1_of,
            heartbeat=RunFiles(job.run).heartbeat(job.level, job.batch),
        )
        receipt = replace(
            receipt,
            computed=computed_by_all(receipt, present.earlier),
            failures=(*receipt.failures, *(_left_out(c, present.fatal) for c in left_out)),
        )
        if receipt.computed:
            measure_archived(mirror, receipt, upstream_after(mirror, poll, settling.waiting))
    return replace(receipt, attempts=(*present.earlier, end_attempt(present.attempt, "done")))


def fatal_stage(chain: Chain, fatal: Collection[str]) -> str:
    """Return the pipeline of the first stage of a chain that is `fatal`; "" if none is."""
    for derivation in chain.derivations:
        if stage_name(chain.recipe, derivation.pipeline, derivation.product) in fatal:
            return derivation.pipeline
    return ""


def _left_out(chain: Chain, fatal: Collection[str]) -> Failure:
    """Return the failure of a chain that the last attempt of its job does not try."""
    return Failure(
        name=f"{chain.recipe}/{chain.product}",
        message=(
            f"{fatal_stage(chain, fatal)}: its job was killed whenever this stage ran, so the last "
            "attempt left it out, and all else is published; give jobs more memory "
            "(calibrate.memory in the config), or exclude it (`exclude` of the recipe)."
        ),
        recipe=chain.recipe,
        product=chain.product,
        cause="killed",
    )


def computed_by_all(receipt: Receipt, earlier: Sequence[Attempt]) -> tuple[str, ...]:
    """Return the keys that the attempts of a job have computed; `receipt` is of the last one.

    A batch has nothing that existed before, so what the last one found, one before it computed.
    """
    if all(attempt.end == "never started" for attempt in earlier):
        return receipt.computed
    return tuple(dict.fromkeys(result.key for result in receipt.results))
