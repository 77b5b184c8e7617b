"""One call of the workflow: its config, its id and folders, its lock on the mirror."""

import atexit
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from jwmirror.config.load import Config
from jwmirror.config.profiles import check_profiles, config_mistakes_end_the_call
from jwmirror.config.sources import read_sources
from jwmirror.core.errors import (
    LimitError,
    LockedError,
    StoreError,
    as_typed,
    call_of_run,
    error_line,
    options_of_run,
    set_call,
)
from jwmirror.core.files import as_store_error, make_private
from jwmirror.core.jsonio import write
from jwmirror.core.log import MESSAGES, print_note, send_message
from jwmirror.core.mirror import RUN_ID_FORM
from jwmirror.core.model import Recipe
from jwmirror.core.model.history.run_summary import Notification
from jwmirror.core.model.run import Executor, RunMessage, Stop
from jwmirror.core.printing import LINES, printable
from jwmirror.net.http import TOKEN_VARIABLE
from jwmirror.net.token_socket import serve_token
from jwmirror.pipeline.child_environment import remove_user_variables, set_by_user
from jwmirror.services.configure.checked_config import build_checked_config, environment_notes
from jwmirror.services.run.jobs.folders import close_work, open_work, take_over
from jwmirror.services.run.jobs.waiting import watch_waiting_jobs
from jwmirror.store.lock import RUN_LOCK, MirrorLock, acquire_lock
from jwmirror.store.maintenance.run_cleanup import merge_unchanged, remove_superseded
from jwmirror.store.runs import (
    RunFiles,
    close_measurements,
    newest_first,
    number_run,
    read_if_written,
    work_folders,
)

ADVICE = (
    "write one with `jwmirror init PROGRAM`, go to the folder of your config, or give the file "
    "with --configfile FILE"
)
NOT_PUBLISHED = (
    "This run has published nothing: it was stopped, or a job that it needs failed. What it has "
    "fetched and computed is stored, and the next run uses it. {command} "
    "says what failed, and what to do."
)
DEFAULT = Path("config/config.yaml")
LOCAL = Executor()
RUN_ID = "JWMIRROR_RUN"  # environment variable by which jobs know the run that they belong to


def config_or_exit(
    files: Sequence[Path],
    options: Sequence[str],
    profiles: Iterable[Path] = (),
    replaces: bool = False,
    check_steps: bool = False,
) -> Config:
    """Return the config as records; if it has mistakes, print them and exit with code 2.

    `files` are those of --configfile, and `options` those of --config (KEY=VALUE), also from
    `profiles`. Without files, config/config.yaml is read, unless the options replace it
    (`replaces`). `check_steps`: check parameters of steps against stpipe's specs, which takes
    seconds.
    """
    default = () if replaces and options else (DEFAULT,)
    with config_mistakes_end_the_call():
        check_profiles(profiles)
        sources = read_sources(files or default, options, ADVICE)
        config = build_checked_config(sources, check_steps)
    for note in environment_notes(config.recipes if check_steps else ()):
        print_note(f"Note: {note}")
    return config


def remember_call(words: Sequence[str], mirror: Path) -> None:
    """Let messages of this run name commands as its user calls them; `words` follow `snakemake`."""
    run = call_of_run() if MESSAGES in os.environ else ["snakemake", *words]
    set_call(run, options_of_run(run, mirror))


def check_environments(recipes: Iterable[Recipe]) -> None:
    """End the call with code 2 if the user has not allowed the environment of a recipe."""
    if list(environment_notes(recipes)):
        _end_with_error("Nothing was done. See the notes on environments above.", code=2)


@contextmanager
def failures_are_recorded(run: Path, rule: str, programs: Iterable[int] = ()) -> Iterator[None]:
    """Record for `status` why a job of a rule ends its run, which has this folder.

    `programs` are those that MAST is queried for. If the run is larger than a limit, the message is
    printed at its end.
    """
    try:
        yield
    except Exception as error:
        stop = Stop(
            run=run.name,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            rule=rule,
            why=error_line(error),
            programs=tuple(sorted(set(programs))),
            is_limit=isinstance(error, LimitError),
        )
        with suppress(OSError):  # the disk may be full, and the error says so
            write(RunFiles(run).stopped, stop)
        if not stop.is_limit:
            raise
        sys.exit("The run is larger than a limit in the config; the end of the output has details.")


class RunSession:
    """One call of the workflow on a mirror, which no other call may share.

    The main process makes the id, whatever the user's environment has. It is passed to jobs
    (`is_job`) through the environment, so that all jobs of a run, here or on a cluster node, use
    the same folders. The token for the archive reaches them through `token_socket`.
    """

    def __init__(
        self,
        mirror: Path,
        wait: bool,
        is_job: bool = False,
        token: str | None = None,
        group: str | None = None,
        notifications: Sequence[Notification] = (),
        token_variable: str = TOKEN_VARIABLE,
    ):
        self.mirror, self._wait, self._group = Path(mirror), wait, group
        self.id = _id_of_this_job() if is_job else _new_id()
        os.environ[RUN_ID] = self.id
        self.files = RunFiles(self.mirror / "receipts" / "runs" / self.id)
        self.logs = self.mirror / "logs" / self.id
        self.work = self.mirror / "work" / self.id
        with config_mistakes_end_the_call():
            self.token_socket = serve_token(token)
        self._notifications = notifications
        self._kept_from_commands = {token_variable, RUN_ID, MESSAGES}
        self._lock: MirrorLock | None = None
        self._ended = threading.Event()

    def begin(self, executor: Executor = LOCAL) -> None:
        """Lock the mirror for this run, and take killed runs over.

        With `wait`, wait until another run has ended; else name its owner and exit with code 1.
        Jobs of a killed run that are at work are awaited.
        """
        try:
            self._lock = self._locked()
        except StoreError as error:
            _end_with_error(str(error))
        if removed := set_by_user(remove_user_variables()):
            print_note(
                f"Not used: {', '.join(removed)} of your environment; `references` in the "
                "config says which CRDS server, context and cache are used."
            )
        atexit.register(self.end)  # Snakemake calls no hook where its scheduler fails
        for folder in work_folders(self.mirror):
            take_over(folder, RunFiles(self.files.folder.with_name(folder.name)))
        try:
            with as_store_error("start of the run", "nothing was changed"):
                for folder in newest_first(self.files.folder.parent)[:1]:
                    merge_unchanged(self.mirror, folder.name)  # it was killed before it did that
                number_run(self.files.folder)
                write(self.files.executor, executor)
                make_private(self.work.parent)  # what is made there may be exclusive
                open_work(self.work)
                close_measurements(self.mirror, self._group)
        except StoreError as error:
            _end_with_error(str(error))
        send_message(RunMessage(kind="begun", text=self.id, mirror=str(self.mirror.absolute())))
        if executor.job_name:
            arguments = (executor.job_name, self._ended)
            threading.Thread(target=watch_waiting_jobs, args=arguments, daemon=True).start()

    def succeed(self) -> None:
        """End the run; if it changed nothing, delete its records, which the one before counts."""
        with suppress(OSError):  # then the next run does it
            merge_unchanged(self.mirror, self.id)
        self._conclude()
        self._notify()

    def _conclude(self) -> None:
        """End the run, and delete the records of those before it that found nothing to do."""
        with suppress(OSError, StoreError):  # then a later run does it
            remove_superseded(self.mirror, self.id)
        self.end()

    def end(self) -> None:
        """Delete the run's work folder and heartbeats, and unlock the mirror.

        It is harmless if called again.
        """
        self._ended.set()
        close_work(self.work, self.files)
        shutil.rmtree(self.files.heartbeats, ignore_errors=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def fail(self) -> None:
        """End the run; exit with code 2, and say why, if it is larger than the config allows."""
        has_begun = self._lock is not None
        self._conclude()
        if has_begun:
            self._write_site()
            self._notify()
        stop = read_if_written(self.files.stopped, Stop)
        if stop and stop.is_limit:
            _end_with_error(stop.why, code=2)
        if stop:
            text = f"{stop.rule}: {stop.why}"
            send_message(RunMessage(kind="error", text=text))
        if has_begun and not self.files.published.exists():
            print(
                NOT_PUBLISHED.format(command=as_typed("failures")), file=sys.stderr
            )  # as `run` sums up

    def _write_site(self) -> None:
        """Let the site say that the run failed; what fails in that is printed."""
        from jwmirror.services.run.site import write_site  # jobs do not need it

        try:
            write_site(mirror=self.mirror, group=self._group, budget_s=0)
        except Exception as error:  # whatever it is, the user must learn how the run has failed
            print_note(f"The site is as before: {error_line(error)}")

    def _notify(self) -> None:
        """Send the summary of the run to the commands of the config; print what fails."""
        if self._notifications:
            from jwmirror.services.notify.commands import notify_about_run  # jobs do not need it

            arguments = (self._notifications, self._kept_from_commands)
            for line in notify_about_run(self.mirror, self.id, *arguments):
                print_note(line)

    def _locked(self) -> MirrorLock:
        purpose = f"run {self.id}"
        try:
            return acquire_lock(self.mirror, purpose, name=RUN_LOCK)
        except LockedError as error:
            if not self._wait:
                raise
            print_note(f"Waiting: {error}")
        return acquire_lock(self.mirror, purpose, wait_s=None, name=RUN_LOCK)


def _end_with_error(text: str, code: int = 1) -> NoReturn:
    """Print why the call ends, and end it with a code."""
    text = printable(text, LINES)
    send_message(RunMessage(kind="error", text=text))
    if code == 1:
        sys.exit(text)
    print(text, file=sys.stderr)
    sys.exit(code)


def _new_id() -> str:
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S.%fZ}-{os.getpid()}"


def _id_of_this_job() -> str:
    """Return the id that the main process passed to this job; exit without one."""
    passed = os.environ.get(RUN_ID, "")
    if not RUN_ID_FORM.fullmatch(passed):
        sys.exit(
            f"{RUN_ID} is {passed!r} in this job, expected the id of its run, such as "
            "20260301T120000.000000Z-4711. Let the executor pass the environment of the main "
            "process to its jobs."
        )
    return passed
