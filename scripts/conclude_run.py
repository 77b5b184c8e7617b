"""End the run: print the state of the mirror, and exit with an error if anything failed."""

import sys
from pathlib import Path

from jwmirror.core.log import log_to, send_message
from jwmirror.core.model import parse, read, write
from jwmirror.core.model.plan import Published
from jwmirror.services.kept.conditions import RunConditions
from jwmirror.services.run.conclude import conclude_run

log_to(snakemake.log[0])
conclusion = conclude_run(
    mirror=Path(snakemake.params.mirror),
    run=Path(snakemake.params.run),
    published=read(snakemake.input.published, Published),
    page=read(snakemake.input.site, dict[str, str])["page"],
    strict=snakemake.params.strict,
    conditions=parse(snakemake.params.conditions, RunConditions),
)
print(conclusion.summary, flush=True)
if conclusion.error:
    send_message(conclusion.message)
    sys.exit(conclusion.error)
write(snakemake.output.conclusion, conclusion.failures)
