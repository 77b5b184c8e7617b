"""Wildcards, and the functions for inputs and params that the rules share.

Rules with `retries: 0` are not repeated: `restart-times` in the profile is for calibrate_batch.
"""

from functools import cache

from jwmirror.core.model import Orders, canonical, read
from jwmirror.core.model.plan import LEVELS, UNLIMITED, level_in_words
from jwmirror.services.kept.conditions import conditions_of
from jwmirror.services.run.jobs.attempts import earlier_attempts
from jwmirror.services.run.jobs.requests import (
    batches_of,
    job_request,
    planned_levels,
    request_after,
)
from jwmirror.store.runs import JOB_LOG, job_logs

JOB_LOGS = job_logs(SESSION.logs, "{level}", "{batch}")


wildcard_constraints:
    order=r"jw\d{5}-[a-z0-9]+\.[0-9a-f]+",
    level="|".join(LEVELS),
    batch="[0-9a-f]+",


def mirror(wildcards):
    """Return the folder of the mirror, for params."""
    return str(CONFIG.mirror)


def run(wildcards):
    """Return the folder of this run's records, for params."""
    return str(RUN.folder)


def latency(wildcards):
    """Return the seconds that a shared file system may take to show a file, for params."""
    return workflow.execution_settings.latency_wait


@cache
def conditions_at_start():
    """Return what the run depends on besides MAST and CRDS, as it is before the first job."""
    return canonical(conditions_of(CONFIG))


def conditions(wildcards):
    """Return the same, for params."""
    return conditions_at_start()


def end_of_run(wildcards):
    """Return the run's conclusion; nothing if the query found that nothing changed."""
    checkpoints.query_archive.get()
    return [] if RUN.unchanged.exists() else rules.conclude_run.output.conclusion


def fetch_receipts(wildcards):
    """Return a receipt for every order of the query."""
    orders = read(checkpoints.query_archive.get().output.orders, Orders)
    return [RUN.fetched(order) for order in orders.products]


def levels_below(wildcards):
    """Return the levels below the one in the wildcards; without one, those of the run."""
    level = getattr(wildcards, "level", None)
    if level == LEVELS[0]:
        return ()
    levels = planned_levels(
        checkpoints.plan_recalibration.get(level=LEVELS[0]).output.plan
    )
    return levels[: levels.index(level)] if level else levels


def plans_below(wildcards):
    """Return the plans of those levels."""
    return [RUN.plan(level) for level in levels_below(wildcards)]


def ahead_of_below(wildcards):
    """Return the file of plans that the last of those levels made in advance, if any."""
    return [RUN.ahead(level) for level in levels_below(wildcards)[-1:]]


def receipts_below(wildcards):
    """Return a receipt for every batch of those levels."""
    return [
        RUN.batch(level, batch)
        for level in levels_below(wildcards)
        for batch in batches_of(
            checkpoints.plan_recalibration.get(level=level).output.plan
        )
    ]


def requested(wildcards, input, threads=UNLIMITED, attempt=1):
    """Return what an attempt to calibrate a batch requests, with at most so many threads."""
    estimated = job_request(str(input.plan), wildcards.batch, CONFIG.jobs, threads)
    attempts = earlier_attempts(RUN, wildcards.level, wildcards.batch, attempt)
    return request_after(estimated, attempts)
