"""The checked config, the session, and the input functions that the rules share.

A run is one call of `snakemake`; all its jobs read and write the same folder of records. Results
of former runs are found in the store, by key and checksum, and never by file times.
"""

import logging
import sys
from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path

from snakemake.cli import parse_args

from jwmirror.core.model import Orders, canonical, read
from jwmirror.core.model.plan import LEVELS, UNLIMITED
from jwmirror.core.model.run import Executor
from jwmirror.services.kept.unchanged_run import conditions_of
from jwmirror.services.run.jobs.attempts import earlier_attempts, needed_memory, needed_minutes
from jwmirror.services.run.session import (
    RunSession,
    batches_of,
    check_environments,
    config_or_exit,
    job_request,
    level_in_words,
    planned_levels,
)
from jwmirror.store.runs import JOB_LOG, job_logs


def profiles():
    """Return the profiles from which Snakemake takes parts of the config, in the main process."""
    given = workflow.config_settings
    if not workflow.is_main_process or not (given.configfiles or given.config_args):
        return []
    with redirect_stderr(StringIO()):  # Snakemake has printed their names already
        parser, _ = parse_args(sys.argv[1:])
    return [
        Path(source.removeprefix("config_file|"))
        for source, settings in parser.get_source_to_settings_dict().items()
        if source.startswith("config_file|")
        and {"config", "configfile"} & settings.keys()
    ]


def is_news(record):
    """Return False for Snakemake's report that a script failed: the script has said why."""
    message = record.getMessage()
    return not ("CalledProcessError" in message and "exit status 1." in message)


logging.getLogger("snakemake.logging").addFilter(is_news)

CONFIG = config_or_exit(
    files=workflow.config_settings.configfiles,
    options=workflow.config_settings.config_args or (),
    profiles=profiles(),
    replaces=workflow.config_settings.replace_workflow_config,
    check_steps=workflow.is_main_process,
)
SESSION = RunSession(
    CONFIG.mirror,
    CONFIG.wait,
    is_job=not workflow.is_main_process,
    token=CONFIG.token,
    group=CONFIG.group,
)
RUN = SESSION.files
JOB_LOGS = job_logs(SESSION.logs, "{level}", "{batch}")


def executor():
    """Return the record of the executor, in the main process, when it has been made.

    The plugin for Slurm gives no public access to the name of its jobs.
    """
    plugin = workflow.scheduler._executor
    return Executor(
        job_name=getattr(plugin, "run_uuid", ""),
        picks_partitions=bool(getattr(plugin, "_partitions", None)),
        retries=workflow.execution_settings.retries,
    )


onstart:
    check_environments(CONFIG.recipes)
    SESSION.begin(executor())


onsuccess:
    SESSION.succeed()


onerror:
    SESSION.fail()


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


def requested(wildcards, input, threads=UNLIMITED):
    """Return what the job of a batch needs, with at most so many threads."""
    return job_request(input.plan, wildcards.batch, CONFIG.jobs, threads)


def attempts_before(wildcards, attempt):
    """Return the attempts of a batch before one, which have ended."""
    return earlier_attempts(RUN, wildcards.level, wildcards.batch, attempt)
