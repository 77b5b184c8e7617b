"""Calibrate the exposures or associations of one batch of a plan."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Plan, Poll, References, SettleResult, read, write
from jwmirror.services.run.calibrate import calibrate_batch

log_to(snakemake.log[0])
batch = snakemake.wildcards.batch
receipt = calibrate_batch(
    mirror=Path(snakemake.params.mirror),
    chains=read(snakemake.input.plan, Plan).batches[batch],
    references=read(snakemake.input.references, References),
    poll=read(snakemake.input.poll, Poll),
    settling=read(snakemake.input.settling, SettleResult),
    cache=Path(snakemake.params.cache),
    workers=snakemake.threads,
    work=Path(snakemake.params.work) / batch,
    logs=Path(snakemake.log[0]).parent,
    heartbeat=Path(snakemake.params.heartbeat),
    timeout_s=snakemake.params.timeout_s,
    memory=snakemake.resources.mem_mb * 1e6,
    attempt=snakemake.resources.attempt,
    retries=snakemake.params.retries,
)
write(snakemake.output.receipt, receipt)
