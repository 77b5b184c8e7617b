"""Plan the recalibration of exposures: what is out of date and why, what is there, what waits."""

from jwmirror.bench import Bench, offline_resolver
from jwmirror.log import log_to
from jwmirror.records import Poll, Recipe, References, Settling, parse, read, write

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)

plan = bench.plan_exposures(
    bench.upstream(read(snakemake.input.poll, Poll), read(snakemake.input.settling, Settling)),
    parse(snakemake.params.recipes, tuple[Recipe, ...]),
    offline_resolver(snakemake.params.cache, read(snakemake.input.references, References)),
    snakemake.params.batch,
)
write(snakemake.output.plan, plan)
