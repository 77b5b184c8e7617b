"""The caller's end of a warm process: stages go in from any thread, their endings come back."""

import contextlib
import subprocess
import sys
import threading
from concurrent.futures import Future
from itertools import count
from pathlib import Path

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Derivation, canonical, parse
from jwmirror.engine.forkserver import KILLED, StageJob, StageOutcome
from jwmirror.pipeline import ramps
from jwmirror.pipeline.child_environment import environment_of_children

TAIL = 2000  # characters of the warm process's own messages that are quoted


class StageError(CalibrationError):
    """A stage did not end well; `kind` is failed, killed or late."""

    def __init__(self, kind: str, message: str):
        self.kind = kind
        super().__init__(message)


class StageClient:
    """The caller's end of a warm process; any number of threads may run stages in it."""

    def __init__(self, log: Path, python: str = sys.executable):
        self._log, self._python = log, python
        self._base = Path.cwd()  # where snakemake was called
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._waiting: dict[int, Future[StageOutcome]] = {}  # of the present process
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def run(
        self,
        derivation: Derivation,
        folder: Path,
        log: Path,
        timeout_s: float,
        ramp: str = ramps.FULL,
    ) -> StageOutcome:
        """Run a stage and wait for its end."""
        future: Future[StageOutcome] = Future()
        with self._lock:
            process = self._started()
            job = StageJob(
                number=next(self._numbers),
                derivation=derivation,
                folder=str(folder),
                base=str(self._base),
                log=str(log),
                timeout_s=timeout_s,
                ramp=ramp,
            )
            self._waiting[job.number] = future
            try:
                process.stdin.write(canonical(job).encode() + b"\n")
                process.stdin.flush()
            except OSError:
                del self._waiting[job.number]
                raise self._lost() from None
        return future.result()

    def close(self) -> None:
        """Let the process end, which kills what still runs in it; no other is started."""
        with self._lock:
            process, self._process, self._is_closed = self._process, None, True
        if process is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
            self._reader.join()
            process.stdout.close()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._is_closed:
            raise self._lost()
        if self._process is None or self._process.poll() is not None:
            with open(self._log, "ab") as log:
                self._process = subprocess.Popen(
                    [
                        self._python,
                        "-P",
                        "-m",
                        "jwmirror.engine.forkserver",
                    ],  # -P: no modules from here
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment_of_children(),
                    start_new_session=True,  # Ctrl-C reaches the caller, who closes the input
                )
            self._waiting = {}
            self._reader = threading.Thread(
                target=self._listen, args=[self._process, self._waiting], daemon=True
            )
            self._reader.start()
        return self._process

    def _listen(
        self, process: "subprocess.Popen[bytes]", waiting: dict[int, Future[StageOutcome]]
    ) -> None:
        """Hand endings to those who wait; whatever ends this, nobody is left waiting."""
        why = ""
        try:
            for line in process.stdout:
                ending = parse(line, StageOutcome)
                with self._lock:
                    future = waiting.pop(ending.number)
                future.set_result(ending)
        except Exception as err:  # no answer of its can be relied on any more
            why = f"; it was stopped, because it answered what is no ending of a stage ({err})"
            process.kill()
        process.wait()
        with self._lock:
            lost = list(waiting.values())
        for future in lost:
            future.set_exception(self._lost(why))

    def _lost(self, why: str = "") -> StageError:
        said = ""
        with contextlib.suppress(FileNotFoundError):
            said = self._log.read_text(errors="replace")[-TAIL:].strip()
        return StageError(
            KILLED,
            f"the process that runs jwst has ended{why}; its last messages are:\n{said}",
        )
