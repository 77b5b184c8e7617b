"""Resolve the CRDS context, and sync the references that the recipes need of it."""

import os
from pathlib import Path

from jwmirror.archive.references import resolve_context, sync_mappings, sync_references
from jwmirror.log import log_to
from jwmirror.recalibrate.plan import wanted
from jwmirror.recalibrate.references import Resolver, environment
from jwmirror.records import Poll, Recipe, References, parse, read, write
from jwmirror.store.receipts import upstream_after

log_to(snakemake.log[0])
url, cache = snakemake.params.url, Path(snakemake.params.cache)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])
exposures = wanted(
    upstream_after(snakemake.params.mirror, read(snakemake.input.poll, Poll)), recipes
)

context, files = "", {}
if exposures:
    context = resolve_context(url, snakemake.params.context, cache)
    sync_mappings(context, cache, url)
    os.environ.update(environment(cache, context))
    files = sync_references(Resolver(cache, context).needed(exposures), context, cache, url)
write(snakemake.output.references, References(context=context, server=url, files=files))
