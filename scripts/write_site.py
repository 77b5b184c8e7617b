"""Write the site of the mirror, after the run has published."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import write
from jwmirror.services.run.site import write_site

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)
page = write_site(
    mirror=mirror,
    group=snakemake.params.group,
    budget_s=snakemake.params.pictures_s,
)
write(snakemake.output.receipt, {"page": str(page.relative_to(mirror))})
