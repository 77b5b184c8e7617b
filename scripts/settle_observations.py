"""Say which associations MAST has half updated, so that what is of them waits."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Poll, parse, read, write
from jwmirror.planning.settling import Patience, settling
from jwmirror.services.run.plan import Bench
from jwmirror.store.runs import former_settling

log_to(snakemake.log[0])
poll = read(snakemake.input.poll, Poll)
associations = Bench(snakemake.params.mirror).upstream(poll).associations
patience = Patience(
    days=snakemake.params.days, accept=parse(snakemake.params.accept, tuple[str, ...])
)
found = settling(associations, poll, patience, former_settling(Path(snakemake.params.run)))
write(snakemake.output.settling, found)
