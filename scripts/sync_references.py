"""Resolve the CRDS context, and sync the references that the recipes need."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Poll, Recipe, SettleResult, parse, read, write
from jwmirror.services.run.references import sync_references
from jwmirror.services.run.session import failures_are_recorded

log_to(snakemake.log[0])
with failures_are_recorded(Path(snakemake.params.run), "sync_references"):
    references = sync_references(
        mirror=Path(snakemake.params.mirror),
        poll=read(snakemake.input.poll, Poll),
        settling=read(snakemake.input.settling, SettleResult),
        recipes=parse(snakemake.params.recipes, tuple[Recipe, ...]),
        url=snakemake.params.url,
        policy=snakemake.params.context,
        on_new_context=snakemake.params.on_new_context,
        gaia_url=snakemake.params.gaia_url,
        gaia_refresh=snakemake.params.gaia_refresh,
        cache=Path(snakemake.params.cache),
    )
write(snakemake.output.references, references)
