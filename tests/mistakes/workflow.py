"""A call of the workflow up to its first jobs, in this process and without Snakemake."""

import io
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from jwmirror.core.errors import JwmirrorError, known_call
from jwmirror.core.log import MESSAGES
from jwmirror.services.run.session import (
    RunSession,
    check_environments,
    config_or_exit,
    failures_are_recorded,
    remember_call,
)
from jwmirror.services.start.snakemake import snakemake_arguments
from jwmirror.services.start.workflow_run import RunWatch, reason_lines
from tests.mistakes.mistake import Job

RULE = "query_archive"


def call_workflow(words: Sequence[str], job: Job | None) -> tuple[str, int]:
    """Return what `jwmirror run ...` or `snakemake ...` prints of what went wrong, and the code.

    After its beginning, the run calls `job` as its first rule.
    """
    is_plain = words[0] == "snakemake"
    with TemporaryDirectory() as folder:
        messages = Path(folder) / "messages"
        messages.touch()
        variables = {} if is_plain else {MESSAGES: str(messages)}
        called = known_call(() if is_plain else words)
        with called, patch.dict(os.environ, variables), redirect_stderr(io.StringIO()) as printed:
            code = _exit_code(words[1:] if is_plain else words[2:], job)
        if is_plain:
            return printed.getvalue(), code
        lines: list[str] = []
        watch = RunWatch(messages, lambda line: None, lines.append, lambda state: None)
        watch.look()
    return "\n".join([*lines, *(reason_lines(watch.error) if watch.error else ())]), code


def _exit_code(arguments: Sequence[str], job: Job | None) -> int:
    parser = ArgumentParser()
    parser.add_argument("--snakefile")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[])
    parser.add_argument("--config", nargs="+", default=[])
    given, _ = parser.parse_known_args(snakemake_arguments(arguments, Path.cwd()))
    try:
        _begin(given, arguments, job)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return int(end.code or 0)
    return 0


def _begin(given: Namespace, arguments: Sequence[str], job: Job | None) -> None:
    """Do what Snakefile and rules/session.smk do, and a job."""
    config = config_or_exit(given.configfile, given.config, check_steps=True)
    remember_call(arguments, config.mirror)
    session = RunSession(config.mirror, config.wait, token=config.token, group=config.group)
    check_environments(config.recipes)
    session.begin()
    try:
        with failures_are_recorded(session.files.folder, RULE):
            if job:
                job(config, session)
    except (JwmirrorError, OSError, SystemExit):
        session.fail()
        sys.exit(1)
    finally:
        session.end()
