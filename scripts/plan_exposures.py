"""Plan the recalibration of exposures; and of associations, where no exposure is out of date.

What will be refused of associations is told now, before the first of their exposures is computed.
"""

import sys

from jwmirror.core.log import log_to
from jwmirror.core.model import PlansAhead, Poll, Recipe, References, Settling, parse, read, write
from jwmirror.services.run.plan import Bench
from jwmirror.services.run.references import offline_resolver

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)
recipes = parse(snakemake.params.recipes, tuple[Recipe, ...])
poll, settling = read(snakemake.input.poll, Poll), read(snakemake.input.settling, Settling)
held = bench.upstream(poll, settling, recipes)
references = read(snakemake.input.references, References)
resolver = offline_resolver(snakemake.params.cache, references)
plans = bench.plans(held, recipes, resolver, snakemake.params.batch)
for refused in bench.refused_later(held, recipes, resolver, plans):
    print(f"{refused.recipe}/{refused.product} will fail: {refused.why}", file=sys.stderr)
write(snakemake.output.plan, plans[0])
write(snakemake.output.ahead, PlansAhead(plans=plans[1:]))
