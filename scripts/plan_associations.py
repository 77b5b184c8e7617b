"""Plan the recalibration of a stage's associations, now that the level below is done."""

from jwmirror.core.log import log_to
from jwmirror.core.model import (
    Plan,
    PlansAhead,
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
from jwmirror.services.run.plan import Bench
from jwmirror.services.run.references import offline_resolver

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])
poll, settling = read(snakemake.input.poll, Poll), read(snakemake.input.settling, Settling)
plan, *ahead = read(snakemake.input.ahead, PlansAhead).plans or bench.plans(
    bench.upstream(poll, settling, recipes),
    recipes,
    offline_resolver(snakemake.params.cache, read(snakemake.input.references, References)),
    snakemake.params.batch,
    below=read_all(snakemake.input.below, Plan),
    receipts=read_all(snakemake.input.calibrated, Receipt),
)
write(snakemake.output.plan, plan)
write(snakemake.output.ahead, PlansAhead(plans=tuple(ahead)))
