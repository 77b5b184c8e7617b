"""The checked config, and the session: the run's id, folders, and lock on the mirror.

A run is one call of `snakemake`; all its jobs read and write the same folder of records. Results
of former runs are found in the store, by key and checksum, and never by file times.
"""

import logging
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from snakemake.cli import parse_args

from jwmirror.core.model.run import Executor
from jwmirror.services.run.session import (
    RunSession,
    check_environments,
    config_or_exit,
    remember_call,
)


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
if workflow.is_main_process:
    remember_call(sys.argv[1:], CONFIG.mirror)
SESSION = RunSession(
    CONFIG.mirror,
    CONFIG.wait,
    is_job=not workflow.is_main_process,
    token=CONFIG.token,
    group=CONFIG.group,
    notifications=CONFIG.notifications,
    token_variable=CONFIG.token_variable,
)
RUN = SESSION.files


def executor():
    """Return the record of the executor, in the main process, when it has been made.

    The plugin for Slurm gives no public access to the name of its jobs, and to its logs.
    """
    plugin = workflow.scheduler._executor
    return Executor(
        job_name=getattr(plugin, "run_uuid", ""),
        picks_partitions=bool(getattr(plugin, "_partitions", None)),
        retries=workflow.execution_settings.retries,
        logs=str(getattr(plugin, "slurm_logdir", "")),
    )


onstart:
    check_environments(CONFIG.recipes)
    SESSION.begin(executor())


onsuccess:
    SESSION.succeed()


onerror:
    SESSION.fail()
