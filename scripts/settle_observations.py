"""Say which associations MAST has half updated, so that what is of them waits."""

from pathlib import Path

from jwmirror.bench import Bench
from jwmirror.log import log_to
from jwmirror.recalibrate.settling import Patience, settling
from jwmirror.records import Poll, parse, read, write
from jwmirror.report.runs import former_settling

log_to(snakemake.log[0])
poll = read(snakemake.input.poll, Poll)
associations = Bench(snakemake.params.mirror).upstream(poll).associations
patience = Patience(
    days=snakemake.params.days, accept=parse(snakemake.params.accept, tuple[str, ...])
)
found = settling(associations, poll, patience, former_settling(Path(snakemake.params.run)))
write(snakemake.output.settling, found)
