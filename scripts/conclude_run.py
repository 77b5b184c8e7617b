"""End the run: with an error that names what failed, if anything did."""

import sys

from jwmirror.log import log_to
from jwmirror.records import write
from jwmirror.report.runs import read_run

log_to(snakemake.log[0])
failures = read_run(snakemake.params.run).failures
if failures:
    told = "\n".join(f"{failure.name}: {failure.message}" for failure in failures)
    sys.exit(f"{len(failures)} failed; all else is done and published:\n{told}")
write(snakemake.output.conclusion, failures)
