"""Calibrate the exposures or associations of one batch of a plan."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Plan, References, read, write
from jwmirror.engine import memory_pool
from jwmirror.engine.worker import calibrate
from jwmirror.planning import memory
from jwmirror.services.run.plan import Bench
from jwmirror.services.run.references import offline_resolver

log_to(snakemake.log[0])
bench = Bench(snakemake.params.mirror)
chains = read(snakemake.input.plan, Plan).batches[snakemake.wildcards.batch]
offline_resolver(snakemake.params.cache, read(snakemake.input.references, References))
given, attempt = snakemake.resources.mem_mb * 1e6, snakemake.resources.attempt
most = min(given, memory_pool.of_machine())

receipt = calibrate(
    chains,
    bench,
    workers=snakemake.threads,
    work=Path(snakemake.params.work) / snakemake.wildcards.batch,
    logs=Path(snakemake.log[0]).parent,
    timeout_s=snakemake.params.timeout_s,
    room=memory.room_in(most) / attempt,  # what came to more than its estimate gets more
    more_may_come=attempt <= snakemake.params.retries and given < memory_pool.of_machine(),
)
write(snakemake.output.receipt, receipt)
