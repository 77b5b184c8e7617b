"""Plan the recalibration of associations, now that their members are done, or have failed."""

from dataclasses import replace

from jwmirror.bench import Bench, offline_resolver
from jwmirror.encoding import parse, read, read_all, write
from jwmirror.log import log_to
from jwmirror.recalibrate.plan import plan_associations
from jwmirror.recalibrate.settling import settled_associations
from jwmirror.records import Plan, Poll, Receipt, Recipe, References, Settling

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)
settling = read(snakemake.input.settling, Settling)
entries, associations = bench.upstream(read(snakemake.input.poll, Poll), settling)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])
associations, waits = settled_associations(associations, settling.unsettled, recipes)
exposures = read(snakemake.input.exposures, Plan)
receipts = read_all(snakemake.input.calibrated, Receipt)

plan = plan_associations(
    entries,
    associations,
    recipes,
    [*exposures.done, *(result for receipt in receipts for result in receipt.results)],
    offline_resolver(snakemake.params.cache, read(snakemake.input.references, References)),
    bench.recall,
    bench.published,
    snakemake.params.batch,
    troubles=[
        *(*exposures.waits, *exposures.failures),
        *(failure for receipt in receipts for failure in receipt.failures),
    ],
)
write(snakemake.output.plan, replace(plan, waits=(*waits, *plan.waits)))
