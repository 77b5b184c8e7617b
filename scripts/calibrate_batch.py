"""Calibrate the exposures or associations of one batch of a plan."""

from pathlib import Path

from jwmirror.bench import Bench
from jwmirror.contexts import offline_resolver
from jwmirror.log import log_to
from jwmirror.recalibrate import memory, room
from jwmirror.recalibrate.worker import calibrate
from jwmirror.records import Plan, References, read, write

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)
chains = read(snakemake.input.plan, Plan).batches[snakemake.wildcards.batch]
offline_resolver(snakemake.params.cache, read(snakemake.input.references, References))
given, attempt = snakemake.resources.mem_mb * 1e6, snakemake.resources.attempt
most = min(given, room.of_machine())

receipt = calibrate(
    chains,
    bench,
    workers=snakemake.threads,
    work=Path(snakemake.params.work) / snakemake.wildcards.batch,
    logs=Path(snakemake.log[0]).parent,
    timeout_s=snakemake.params.timeout_s,
    room=memory.room_in(most) / attempt,  # what came to more than its estimate gets more
    more_may_come=attempt <= snakemake.params.retries and given < room.of_machine(),
)
write(snakemake.output.receipt, receipt)
