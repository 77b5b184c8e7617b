"""What all rules share: the checked config, the folder of this run, and who asks for what.

A run is one call of `snakemake`. Its id goes to the jobs through the environment, so that every
job of a run, here or on a cluster node, reads and writes the same folder of receipts. What was
done in former runs is known from the store (by key and checksum), never from file times.
"""

import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from jwmirror.config import parse as config_of  # `parse` is a name of Snakemake's own
from jwmirror.errors import ConfigError
from jwmirror.records import Orders, Plan, canonical, read


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


wildcard_constraints:
    order=r"jw\d{5}-[a-z0-9]+\.[0-9a-f]+",
    level="exposures|associations",
    batch="[0-9a-f]+",


def mirror(wildcards):
    """The folder of the mirror, for params."""
    return str(CONFIG.mirror)


def run(wildcards):
    """The folder of this run's receipts, for params."""
    return RUN


def fetch_receipts(wildcards):
    """A receipt for every order that the query found."""
    orders = read(checkpoints.query_archive.get().output.orders, Orders)
    return [f"{FETCHED}/{order}.json" for order in orders.products]


def exposure_receipts(wildcards):
    """A receipt for every batch of exposures that the plan found out of date."""
    plan = read(checkpoints.plan_exposures.get().output.plan, Plan)
    return [f"{RUN}/exposures/{batch}.json" for batch in plan.batches]


def association_receipts(wildcards):
    """A receipt for every batch of associations that the plan found out of date."""
    plan = read(checkpoints.plan_associations.get().output.plan, Plan)
    return [f"{RUN}/associations/{batch}.json" for batch in plan.batches]
