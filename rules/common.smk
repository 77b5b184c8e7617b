"""What all rules share: the checked config, the folder of this run, and who asks for what.

A run is one call of `snakemake`. Its id goes to the jobs through the environment, so that every
job of a run, here or on a cluster node, reads and writes the same folder of receipts. What was
done in former runs is known from the store (by key and checksum), never from file times.
"""

import atexit
import os
import shutil
import sys
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from jwmirror.config.load import parse as config_of  # `parse` is a name of Snakemake's own
from jwmirror.core.errors import ConfigError, HeldError, StoreError
from jwmirror.planning.memory import of_job as memory_of_job
from jwmirror.core.model import LEVELS, Orders, Plan, canonical, read
from jwmirror.store import lease as leases


def checked(raw):
    """The config as records; all its mistakes on standard error and exit code 2.

    Step parameters are held to stpipe's specs where `snakemake` was called, not again in each job.
    """
    try:
        return config_of(dict(raw), check_steps=workflow.is_main_process)
    except ConfigError as error:
        print(f"Mistakes in the config:\n{error}", file=sys.stderr)
        sys.exit(2)


def this_run():
    """The id of this run: its start in UTC, and the process that started it."""
    fresh = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}"
    return os.environ.setdefault("JWMIRROR_RUN", fresh)


CONFIG = checked(config)
RUN = f"{CONFIG.mirror}/receipts/runs/{this_run()}"
FETCHED = f"{CONFIG.mirror}/receipts/fetch"
LOGS = f"{CONFIG.mirror}/logs/{this_run()}"
WORK = str(CONFIG.mirror / "work" / this_run())
LEASES = []  # that this process has


onstart:
    begin()


onsuccess:
    end()


onerror:
    end()


def begin():
    """Have the mirror for this run alone; else say whose it is, and exit code 1, or wait.

    What killed runs left in work/ is removed: a job of theirs that still goes on fails by itself.
    """
    try:
        LEASES.append(leased())
    except StoreError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    atexit.register(end)  # no hook is called where the scheduler itself fails
    shutil.rmtree(f"{CONFIG.mirror}/work", ignore_errors=True)


def leased():
    """The lease of a run; the process that started the run has it to its end."""
    purpose = f"run {this_run()}"
    try:
        return leases.take(CONFIG.mirror, purpose, name=leases.RUN)
    except HeldError as error:
        if not CONFIG.wait:
            raise
        print(f"Waiting: {error}", file=sys.stderr)
    return leases.take(CONFIG.mirror, purpose, wait_s=None, name=leases.RUN)


def end():
    """Give the mirror back."""
    shutil.rmtree(WORK, ignore_errors=True)
    while LEASES:
        LEASES.pop().release()


wildcard_constraints:
    order=r"jw\d{5}-[a-z0-9]+\.[0-9a-f]+",
    level="|".join(LEVELS),
    stage="2|3",
    batch="[0-9a-f]+",


def mirror(wildcards):
    """The folder of the mirror, for params."""
    return str(CONFIG.mirror)


def run(wildcards):
    """The folder of this run's receipts, for params."""
    return RUN


@cache
def plan_in(path):
    """A plan, which does not change once it is written."""
    return read(path, Plan)


def memory(plan, batch, threads, attempt):
    """MB to ask for a batch: by estimate, up to calibrate.memory, and more with each attempt."""
    needed = memory_of_job(plan_in(plan).batches[batch], threads, CONFIG.memory)
    return attempt * round(needed / 1e6)


def fetch_receipts(wildcards):
    """A receipt for every order that the query found."""
    orders = read(checkpoints.query_archive.get().output.orders, Orders)
    return [f"{FETCHED}/{order}.json" for order in orders.products]


def levels_below(wildcards):
    """The levels that are done before one stage's associations are planned, or all of them."""
    stage = getattr(wildcards, "stage", None)
    return LEVELS[: int(stage) - 1] if stage else LEVELS


def plans_below(wildcards):
    """The plans of those levels."""
    return [f"{RUN}/plan-{level}.json" for level in levels_below(wildcards)]


def ahead_of_below(wildcards):
    """What the plan of the last of those levels went on to."""
    return f"{RUN}/ahead-{levels_below(wildcards)[-1]}.json"


def receipts_below(wildcards):
    """A receipt for every batch of those levels that the plans found out of date."""
    return [
        f"{RUN}/{level}/{batch}.json"
        for level in levels_below(wildcards)
        for batch in plan_in(plan_of(level)).batches
    ]


def plan_of(level):
    """The file of a level's plan, when it is there."""
    if level == LEVELS[0]:
        return checkpoints.plan_exposures.get().output.plan
    return checkpoints.plan_associations.get(stage=level[-1]).output.plan
