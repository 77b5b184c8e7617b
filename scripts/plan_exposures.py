"""Plan the recalibration of exposures: what is out of date and why, what is there, what waits."""

from dataclasses import replace

from jwmirror.bench import Bench, offline_resolver
from jwmirror.log import log_to
from jwmirror.recalibrate.plan import plan_exposures
from jwmirror.recalibrate.settling import settled_exposures
from jwmirror.records import Poll, Recipe, References, Settling, parse, read, write

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])
settling = read(snakemake.input.settling, Settling)
entries, associations = bench.upstream(read(snakemake.input.poll, Poll), settling)
entries, waits = settled_exposures(entries, settling.unsettled, recipes)

plan = plan_exposures(
    entries,
    associations,
    recipes,
    offline_resolver(snakemake.params.cache, read(snakemake.input.references, References)),
    bench.recall,
    bench.published,
    snakemake.params.batch,
)
write(snakemake.output.plan, replace(plan, waits=(*waits, *plan.waits)))
