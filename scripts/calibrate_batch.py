"""Calibrate the exposures or associations of one batch of a plan."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Poll, References, SettleResult, read, write
from jwmirror.services.run.calibrate import calibrate_batch
from jwmirror.services.run.jobs.attempts import BatchJob
from jwmirror.services.run.jobs.requests import chains_of

log_to(snakemake.log[0])
level, batch = snakemake.wildcards.level, snakemake.wildcards.batch
resources = snakemake.resources
amounts = (snakemake.threads, resources.mem_mb * 10**6, resources.runtime)
run = Path(snakemake.params.run)
receipt = calibrate_batch(
    mirror=Path(snakemake.params.mirror),
    job=BatchJob(run, level, batch, resources.attempt, *amounts),
    chains=chains_of(snakemake.input.plan, batch),
    references=read(snakemake.input.references, References),
    poll=read(snakemake.input.poll, Poll),
    settling=read(snakemake.input.settling, SettleResult),
    cache=Path(snakemake.params.cache),
    work=Path(snakemake.params.work),
    scratch=snakemake.params.scratch,
    logs=Path(snakemake.log[0]).parent,
    timeout_s=snakemake.params.timeout_s,
    latency_s=snakemake.params.latency_s,
)
write(snakemake.output.receipt, receipt)
