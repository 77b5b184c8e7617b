"""End the run: say what the mirror shows now, and end with an error if anything failed."""

import sys

from jwmirror.core.log import log_to
from jwmirror.core.model import Published, read, write
from jwmirror.store.runs import read_run

log_to(snakemake.log[0])
run, mirror = read_run(snakemake.params.run), snakemake.params.mirror
failures = run.failures
published = read(snakemake.input.published, Published)
page = read(snakemake.input.report, dict[str, str])["page"]
state = f"is new: {run.cause}" if published.is_new else "stays as it was"
print(f"{mirror}/current: generation {published.generation} {state}; {mirror}/{page}", flush=True)
if failures:
    told = "\n".join(f"{failure.name}: {failure.message}" for failure in failures)
    sys.exit(f"{len(failures)} failed; all else is done and published:\n{told}")
write(snakemake.output.conclusion, failures)
