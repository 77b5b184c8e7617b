"""Plan the recalibration of one level: exposures, associations of stage 2, or of stage 3."""

import sys
from pathlib import Path

import jwmirror.core.model as records
from jwmirror.core.log import log_to
from jwmirror.core.model import parse, read, read_all, write
from jwmirror.core.model.plan import PlansAhead
from jwmirror.services.run.plan import plan_recalibration

log_to(snakemake.log[0])
ahead = read_all(snakemake.input.ahead, PlansAhead)
planned = plan_recalibration(
    mirror=Path(snakemake.params.mirror),
    cache=Path(snakemake.params.cache),
    recipes=parse(snakemake.params.recipes, tuple[records.Recipe, ...]),
    batch_size=snakemake.params.batch,
    poll=read(snakemake.input.poll, records.Poll),
    settling=read(snakemake.input.settling, records.SettleResult),
    references=read(snakemake.input.references, records.References),
    below=read_all(snakemake.input.below, records.Plan),
    ahead=[plan for record in ahead for plan in record.plans],
    receipts=read_all(snakemake.input.calibrated, records.Receipt),
)
for wait in planned.refused_later:
    print(f"{wait.recipe}/{wait.product} will fail: {wait.why}", file=sys.stderr)
write(snakemake.output.plan, planned.plan)
write(snakemake.output.ahead, PlansAhead(plans=planned.ahead))
