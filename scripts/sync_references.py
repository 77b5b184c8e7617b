"""Resolve the CRDS context, and sync the references that the recipes need of it."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Poll, Recipe, Settling, parse, read, write
from jwmirror.services.run.plan import Bench
from jwmirror.services.run.references import held_at, synced
from jwmirror.store.generations import Generations

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)
poll, settling = read(snakemake.input.poll, Poll), read(snakemake.input.settling, Settling)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])

references = synced(
    snakemake.params.url,
    snakemake.params.context,
    snakemake.params.cache,
    Bench(mirror).upstream(poll, settling, recipes),
    recipes,
    held_at(Generations(mirror).current(), snakemake.params.on_new_context),
)
write(snakemake.output.references, references)
