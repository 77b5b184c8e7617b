"""Publish what the mirror has now, if the current generation differs from it."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Plan, Poll, Receipt, References, SettleResult, read, read_all, write
from jwmirror.services.run.publish import publish_generation
from jwmirror.services.run.quality.publication import PublicationPolicy

log_to(snakemake.log[0])
published = publish_generation(
    mirror=Path(snakemake.params.mirror),
    run=Path(snakemake.params.run),
    group=snakemake.params.group,
    poll=read(snakemake.input.poll, Poll),
    settling=read(snakemake.input.settling, SettleResult),
    references=read(snakemake.input.references, References),
    plans=read_all(snakemake.input.plans, Plan),
    receipts=read_all(snakemake.input.calibrated, Receipt),
    policy=PublicationPolicy(**snakemake.params.policy),
)
write(snakemake.output.published, published)
