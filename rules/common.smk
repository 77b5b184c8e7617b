"""The checked config, the session, and the input functions that the rules share.

A run is one call of `snakemake`; all its jobs read and write the same folder of records. Results
of former runs are found in the store, by key and checksum, and never by file times.
"""

from jwmirror.core.model import Orders, canonical, read
from jwmirror.core.model.plan import LEVELS
from jwmirror.services.run.session import (
    RunSession,
    batches_of,
    config_or_exit,
    memory_mb,
)

GIVEN = workflow.config_settings
CONFIG = config_or_exit(
    files=GIVEN.configfiles,
    options=GIVEN.config_args or (),
    is_main_process=workflow.is_main_process,
    replaces=GIVEN.replace_workflow_config,
)
SESSION = RunSession(CONFIG.mirror, CONFIG.wait)
RUN = SESSION.files


onstart:
    SESSION.begin()


onsuccess:
    SESSION.end()


onerror:
    SESSION.end()


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


def fetch_receipts(wildcards):
    """Return a receipt for every order of the query."""
    orders = read(checkpoints.query_archive.get().output.orders, Orders)
    return [RUN.fetched(order) for order in orders.products]


def levels_below(wildcards):
    """Return the levels below the one in the wildcards; all levels if there is none."""
    level = getattr(wildcards, "level", None)
    return LEVELS[: LEVELS.index(level)] if level else LEVELS


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
