"""Plan the recalibration of associations, now that their members are done, or have failed."""

from jwmirror.bench import Bench, offline_resolver
from jwmirror.log import log_to
from jwmirror.records import (
    Plan,
    Poll,
    Receipt,
    Recipe,
    References,
    Settling,
    parse,
    read,
    read_all,
    write,
)

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)

plan = bench.plan_associations(
    bench.upstream(read(snakemake.input.poll, Poll), read(snakemake.input.settling, Settling)),
    parse(snakemake.params.recipes, tuple[Recipe, ...]),
    offline_resolver(snakemake.params.cache, read(snakemake.input.references, References)),
    snakemake.params.batch,
    exposures=read(snakemake.input.exposures, Plan),
    receipts=read_all(snakemake.input.calibrated, Receipt),
)
write(snakemake.output.plan, plan)
