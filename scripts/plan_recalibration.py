"""Plan the recalibration of one level: exposures, or associations of a stage."""

from pathlib import Path

import jwmirror.core.model as records
from jwmirror.core.log import log_to, print_note
from jwmirror.core.model.plan import JobLimits, PlansAhead
from jwmirror.services.run.plan import plan_recalibration
from jwmirror.services.run.session import failures_are_recorded

log_to(snakemake.log[0])
with failures_are_recorded(Path(snakemake.params.run), "plan_recalibration"):
    planned = plan_recalibration(
        mirror=Path(snakemake.params.mirror),
        cache=Path(snakemake.params.cache),
        recipes=records.parse(snakemake.params.recipes, tuple[records.Recipe, ...]),
        limits=records.parse(snakemake.params.limits, JobLimits),
        poll=records.read(snakemake.input.poll, records.Poll),
        settling=records.read(snakemake.input.settling, records.SettleResult),
        references=records.read(snakemake.input.references, records.References),
        below=records.read_all(snakemake.input.below, records.Plan),
        ahead=[p for a in records.read_all(snakemake.input.ahead, PlansAhead) for p in a.plans],
        receipts=records.read_all(snakemake.input.calibrated, records.Receipt),
        **snakemake.params.bounds,
        selections=records.parse(snakemake.params.selections, tuple[records.Selection, ...]),
    )
for warning in planned.warnings:
    print_note(warning)
records.write(snakemake.output.plan, planned.plan)
records.write(snakemake.output.ahead, PlansAhead(plans=planned.ahead))
