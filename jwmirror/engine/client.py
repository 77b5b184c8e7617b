"""Client of the fork server: any thread may run a stage in it and wait for the outcome."""

import contextlib
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import open_regular
from jwmirror.core.model import canonical, parse
from jwmirror.core.model.stored import FailureCause
from jwmirror.engine.forkserver import KILLED, LATE, RUNNING, StageJob, StageOutcome
from jwmirror.pipeline.allowed_environments import allowed_python
from jwmirror.pipeline.child_environment import child_environment
from jwmirror.pipeline.time_limit import kill_group, opened_pipe

CONTEXT = "CRDS_CONTEXT"
START_S = 600.0  # for the start of the server, which takes the import of jwst
TAIL = 2000  # characters of the server's last messages that are quoted
SERVER = ("-P", "-m", "jwmirror.engine.forkserver")  # -P: no modules from the working directory

OnStep = Callable[[str], None]  # called with the name of each step that begins


@dataclass
class PendingStage:
    """A stage that a thread waits for."""

    on_step: OnStep
    future: Future[StageOutcome] = field(default_factory=Future)


Waiting = dict[int, PendingStage]  # by number of the job


class StageError(CalibrationError):
    """A stage did not end well: why, and the name of its log, if it has one."""

    def __init__(self, kind: FailureCause, message: str, log: str = ""):
        self.kind, self.log = kind, log
        super().__init__(message)


class StageClient:
    """Runs stages in a fork server, which it starts when needed and starts again if it dies.

    CRDS uses `context` there; "" for the one in os.environ. The messages of the server, and of no
    other one, are appended to `log`, after a line on each start.
    """

    def __init__(self, log: Path, python: str, context: str = ""):
        self._log, self._python = log, python
        self._variables = {CONTEXT: context} if context else {}
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._waiting: Waiting = {}  # of the present server
        self._server: subprocess.Popen[bytes] | None = None
        self._is_closed = False
        self._messages = 0  # bytes in the log when the present server started

    def run(self, job: StageJob, on_step: OnStep = lambda step: None) -> StageOutcome:
        """Run a stage and wait for its end."""
        pending = PendingStage(on_step)
        with self._lock:
            jobs = self._started()
            job = replace(job, number=next(self._numbers))
            self._waiting[job.number] = pending
            try:
                jobs.write(canonical(job).encode() + b"\n")
                jobs.flush()
            except OSError:
                del self._waiting[job.number]
                raise self._server_ended() from None
        try:
            # the server itself ends late stages
            return pending.future.result(START_S + job.timeout_s)
        except TimeoutError:
            raise self._server_late(START_S + job.timeout_s) from None

    def close(self) -> None:
        """End the server, which kills the stages that still run; it is not started again."""
        with self._lock:
            server, self._server, self._is_closed = self._server, None, True
        if server is not None:
            with contextlib.suppress(BrokenPipeError):
                opened_pipe(server.stdin).close()
            server.wait()
            self._reader.join()
            opened_pipe(server.stdout).close()

    def _started(self) -> IO[bytes]:
        """Return the pipe for jobs to the server, started if it does not run.

        Raises:
            EnvironmentNotAllowedError: the user has not allowed the environment of its Python.
        """
        if self._is_closed:
            raise self._server_ended()
        python = allowed_python(self._python)
        if self._server is None or self._server.poll() is not None:
            with open(self._log, "ab", buffering=0) as log:
                self._messages = _note_start(log, python)
                self._server = subprocess.Popen(
                    [python, *SERVER],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=child_environment() | self._variables,
                    start_new_session=True,  # Ctrl-C reaches the caller, who closes the pipe
                )
            self._waiting = {}
            arguments = (self._server, self._waiting)
            self._reader = threading.Thread(target=self._listen, args=arguments, daemon=True)
            self._reader.start()
        return opened_pipe(self._server.stdin)

    def _listen(self, server: subprocess.Popen[bytes], waiting: Waiting) -> None:
        """Hand each outcome to its waiting thread; if the server ends, all of them get an error."""
        why = ""
        try:
            for line in opened_pipe(server.stdout):
                outcome = parse(line, StageOutcome)
                if outcome.kind == RUNNING:
                    waiting[outcome.number].on_step(outcome.step)
                    continue
                with self._lock:
                    pending = waiting.pop(outcome.number)
                pending.future.set_result(outcome)
        except Exception as err:  # no further answer can be relied on
            why = f"; it was stopped, because its answer is not the outcome of a stage ({err})"
            server.kill()
        server.wait()
        with self._lock:
            lost = list(waiting.values())
        for pending in lost:
            pending.future.set_exception(self._server_ended(why))

    def _server_late(self, seconds: float) -> StageError:
        """Kill the server, which ends all its stages; return the error of one that waited."""
        with self._lock:
            server = self._server
        if server is not None:
            kill_group(server)
        return StageError(
            LATE, f"{self._python} did not answer within {seconds:g} s, and was stopped"
        )

    def _server_ended(self, why: str = "") -> StageError:
        messages = "none"
        with contextlib.suppress(FileNotFoundError):
            with open_regular(self._log) as log:
                log.seek(self._messages)
                text = log.read().decode(errors="replace")[-TAIL:]
            messages = " | ".join(text.split("\n")).strip(" |") or "none"
        return StageError(
            KILLED, f"the process that runs jwst has ended{why}; its last messages are: {messages}"
        )


def _note_start(log: IO[bytes], python: str) -> int:
    """Append the start of a server to its log; return the length of the log then."""
    line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} start of {python}\n"
    with contextlib.suppress(OSError):
        log.write(line.encode())
    return log.tell()
