"""Find the associations that MAST has reprocessed only in part, so that they wait."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Poll, parse, read, write
from jwmirror.services.run.session import failures_are_recorded
from jwmirror.services.run.settle import settle_observations

log_to(snakemake.log[0])
with failures_are_recorded(Path(snakemake.params.run), "settle_observations"):
    settling = settle_observations(
        mirror=Path(snakemake.params.mirror),
        run=Path(snakemake.params.run),
        poll=read(snakemake.input.poll, Poll),
        days=snakemake.params.days,
        accept=parse(snakemake.params.accept, tuple[str, ...]),
    )
write(snakemake.output.settling, settling)
