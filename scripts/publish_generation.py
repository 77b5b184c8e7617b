"""Publish what the mirror holds now, if that differs from the current generation."""

from pathlib import Path

from jwmirror.core.jsonio import read, read_all, write
from jwmirror.core.log import log_to
from jwmirror.core.model import Plan, Poll, Published, Receipt, References, Settling
from jwmirror.store.entries import recalibrated_entries
from jwmirror.store.generations import Generations
from jwmirror.store.lease import lease
from jwmirror.store.runs import read_run, upstream_after

WAIT_S = 3600.0  # for whoever else changes what is published

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)
generations = Generations(mirror, snakemake.params.group)
poll = read(snakemake.input.poll, Poll)
references = read(snakemake.input.references, References)

settling = read(snakemake.input.settling, Settling)
plans = read_all(snakemake.input.plans, Plan)
receipts = read_all(snakemake.input.calibrated, Receipt)
run = read_run(snakemake.params.run)
facts = {"run": run.id, "context": references.context}
with lease(mirror, f"publication of {run.id}", wait_s=WAIT_S) as held:
    upstream = upstream_after(mirror, poll, settling.waiting)
    recalibrated = recalibrated_entries(generations.entries(), plans, receipts, references.context)
    new = generations.publish([*upstream, *recalibrated], run.cause, facts, held.check)
    current = new or generations.current()
write(
    snakemake.output.published,
    Published(generation=current.number if current else 0, is_new=new is not None),
)
