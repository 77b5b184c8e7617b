"""Plan the recalibration of exposures; and of associations, where no exposure is out of date."""

from jwmirror.bench import Bench
from jwmirror.contexts import offline_resolver
from jwmirror.log import log_to
from jwmirror.records import Ahead, Poll, Recipe, References, Settling, parse, read, write

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])
poll, settling = read(snakemake.input.poll, Poll), read(snakemake.input.settling, Settling)
plan, *ahead = bench.plans(
    bench.upstream(poll, settling, recipes),
    recipes,
    offline_resolver(snakemake.params.cache, read(snakemake.input.references, References)),
    snakemake.params.batch,
)
write(snakemake.output.plan, plan)
write(snakemake.output.ahead, Ahead(plans=tuple(ahead)))
