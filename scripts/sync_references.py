"""Resolve the CRDS context, and sync the references that the recipes need."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Poll, Recipe, SettleResult, parse, read, write
from jwmirror.core.model.recipe import ReferencePolicy
from jwmirror.services.run.references import sync_references
from jwmirror.services.run.session import failures_are_recorded

log_to(snakemake.log[0])
with failures_are_recorded(Path(snakemake.params.run), "sync_references"):
    references = sync_references(
        mirror=Path(snakemake.params.mirror),
        poll=read(snakemake.input.poll, Poll),
        settling=read(snakemake.input.settling, SettleResult),
        recipes=parse(snakemake.params.recipes, tuple[Recipe, ...]),
        policy=parse(snakemake.params.policy, ReferencePolicy),
        run=Path(snakemake.params.run),
    )
write(snakemake.output.references, references)
