"""Plan the recalibration of exposures: what is out of date and why, what is there, what waits."""

import os
from pathlib import Path

from jwmirror.log import log_to
from jwmirror.recalibrate.plan import plan_exposures
from jwmirror.recalibrate.references import Resolver, environment
from jwmirror.records import Poll, Recipe, References, parse, read, write
from jwmirror.store.bench import Bench
from jwmirror.store.receipts import upstream_after

log_to(snakemake.log[0])
bench = Bench(Path(snakemake.params.mirror))
references = read(snakemake.input.references, References)
os.environ.update(environment(snakemake.params.cache, references.context))

plan = plan_exposures(
    upstream_after(bench.mirror, read(snakemake.input.poll, Poll)),
    parse(snakemake.params.recipes, tuple[Recipe, ...]),
    Resolver(snakemake.params.cache, references.context, references.files),
    bench.recall,
    bench.published,
    snakemake.params.batch,
)
write(snakemake.output.plan, plan)
