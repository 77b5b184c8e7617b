"""Calibrate the exposures or associations of one batch."""

from collections.abc import Sequence
from pathlib import Path

from jwmirror.core.model import Chain, Poll, Receipt, References, SettleResult
from jwmirror.crds.cache import CacheHashes
from jwmirror.engine.batch import calibrate
from jwmirror.engine.memory_pool import machine_memory
from jwmirror.planning.estimates.memory import stage_budget
from jwmirror.services.run.quality.stored_files import measure_archived
from jwmirror.services.run.references import offline_resolvers
from jwmirror.services.run.results import ResultStore
from jwmirror.store.runs import upstream_after


def calibrate_batch(
    *,
    mirror: Path,
    chains: Sequence[Chain],
    references: References,
    poll: Poll,
    settling: SettleResult,
    cache: Path,
    workers: int,
    work: Path,
    logs: Path,
    heartbeat: Path,
    timeout_s: float,
    memory: float,
    attempt: int,
    retries: int,
) -> Receipt:
    """Compute what a batch lacks, `workers` exposures at a time, and store it.

    `logs` is the folder of this job's logs only; the file `heartbeat` says meanwhile what runs.
    MAST's files of the same names are measured here too, because results are compared with them.
    `memory`: bytes that the job was given. Each further attempt plans with a smaller share of
    it, because exposures needed more than their estimates.

    Raises:
        ShortOfMemoryError: an exposure was killed even when it ran alone, and another attempt
            with more memory is possible. Other failures are in the receipt.
    """
    offline_resolvers(cache, references)  # sets the environment of CRDS for the workers, too
    available = min(memory, machine_memory())
    receipt = calibrate(
        chains,
        ResultStore(mirror),
        workers=workers,
        work=work,
        logs=logs,
        timeout_s=timeout_s,
        memory_limit=stage_budget(available) / attempt,
        has_retries_left=attempt <= retries and memory < machine_memory(),
        reference_sha1=CacheHashes(cache).sha1_of,
        heartbeat=heartbeat,
    )
    if receipt.computed:
        measure_archived(mirror, receipt, upstream_after(mirror, poll, settling.waiting))
    return receipt
