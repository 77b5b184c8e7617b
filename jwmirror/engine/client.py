"""Client of the fork server: any thread may run a stage in it and wait for the outcome."""

import contextlib
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import IO

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import canonical, parse
from jwmirror.engine.forkserver import KILLED, LATE, StageJob, StageOutcome
from jwmirror.pipeline.allowed_environments import allowed_python
from jwmirror.pipeline.child_environment import child_environment
from jwmirror.pipeline.time_limit import kill_group, opened_pipe

CONTEXT = "CRDS_CONTEXT"
START_S = 600.0  # for the start of the server, which takes the import of jwst
TAIL = 2000  # characters of the server's last messages that are quoted
SERVER = ("-P", "-m", "jwmirror.engine.forkserver")  # -P: no modules from the working directory

Waiting = dict[int, Future[StageOutcome]]  # by number of the job


class StageError(CalibrationError):
    """A stage did not end well; `kind` is failed, killed or late."""

    def __init__(self, kind: str, message: str):
        self.kind = kind
        super().__init__(message)


class StageClient:
    """Runs stages in a fork server, which it starts when needed and starts again if it dies.

    CRDS uses `context` there; "" for the one in os.environ.
    """

    def __init__(self, log: Path, python: str, context: str = ""):
        self._log, self._python = log, python
        self._variables = {CONTEXT: context} if context else {}
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._waiting: Waiting = {}  # of the present server
        self._server: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def run(self, job: StageJob) -> StageOutcome:
        """Run a stage and wait for its end."""
        future: Future[StageOutcome] = Future()
        with self._lock:
            jobs = self._started()
            job = replace(job, number=next(self._numbers))
            self._waiting[job.number] = future
            try:
                jobs.write(canonical(job).encode() + b"\n")
                jobs.flush()
            except OSError:
                del self._waiting[job.number]
                raise self._server_ended() from None
        try:
            return future.result(START_S + job.timeout_s)  # the server itself ends late stages
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
            with open(self._log, "ab") as log:
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
                with self._lock:
                    future = waiting.pop(outcome.number)
                future.set_result(outcome)
        except Exception as err:  # no further answer can be relied on
            why = f"; it was stopped, because its answer is not the outcome of a stage ({err})"
            server.kill()
        server.wait()
        with self._lock:
            lost = list(waiting.values())
        for future in lost:
            future.set_exception(self._server_ended(why))

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
        messages = ""
        with contextlib.suppress(FileNotFoundError):
            messages = " | ".join(self._log.read_text(errors="replace")[-TAIL:].split("\n")).strip()
        return StageError(
            KILLED, f"the process that runs jwst has ended{why}; its last messages are: {messages}"
        )
