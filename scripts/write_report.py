"""Write the report page of the generation that this run published."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import read, write
from jwmirror.core.model.plan import Published
from jwmirror.services.run.report import write_report

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)
page = write_report(
    mirror=mirror,
    run=Path(snakemake.params.run),
    published=read(snakemake.input.published, Published),
    group=snakemake.params.group,
)
write(snakemake.output.receipt, {"page": str(page.relative_to(mirror))})
