"""Publish what the mirror has now, if the current generation differs from it."""

from pathlib import Path

import jwmirror.core.model as records
from jwmirror.core.log import log_to
from jwmirror.core.model import parse, read, read_all, write
from jwmirror.services.run.publish import publish_generation
from jwmirror.services.run.quality.publication import PublicationPolicy
from jwmirror.services.run.session import failures_are_recorded

log_to(snakemake.log[0])
with failures_are_recorded(Path(snakemake.params.run), "publish_generation"):
    published = publish_generation(
        mirror=Path(snakemake.params.mirror),
        run=Path(snakemake.params.run),
        group=snakemake.params.group,
        poll=read(snakemake.input.poll, records.Poll),
        settling=read(snakemake.input.settling, records.SettleResult),
        references=read(snakemake.input.references, records.References),
        plans=read_all(snakemake.input.plans, records.Plan),
        receipts=read_all(snakemake.input.calibrated, records.Receipt),
        policy=PublicationPolicy(**snakemake.params.policy),
        config=parse(snakemake.params.config, dict),
        recipes=parse(snakemake.params.recipes, tuple[records.Recipe, ...]),
        places=parse(snakemake.params.places, dict),
        parameters=parse(snakemake.params.parameters, tuple[records.ParameterPlace, ...]),
        latency_s=snakemake.params.latency_s,
    )
write(snakemake.output.published, published)
