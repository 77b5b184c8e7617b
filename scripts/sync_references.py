"""Resolve the CRDS context, and sync the references that the recipes need of it."""

from jwmirror.archive.references import resolve_context, sync_mappings, sync_references
from jwmirror.bench import Bench, needed, offline_resolver
from jwmirror.log import log_to
from jwmirror.recalibrate.plan import wanted
from jwmirror.records import Poll, Recipe, References, Settling, parse, read, write

log_to(snakemake.log[0])
url, cache = snakemake.params.url, snakemake.params.cache
poll, settling = read(snakemake.input.poll, Poll), read(snakemake.input.settling, Settling)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])
held = Bench(snakemake.params.mirror).upstream(poll, settling, recipes)

context, files = "", {}
if wanted(held.entries, held.associations, recipes):
    context = resolve_context(url, snakemake.params.context, cache)
    sync_mappings(url, context, cache)
    resolver = offline_resolver(cache, References(context=context, server=url, files={}))
    files = sync_references(needed(held, recipes, resolver), context, cache, url)
write(snakemake.output.references, References(context=context, server=url, files=files))
