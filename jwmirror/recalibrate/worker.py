"""Calibrate the chains of a batch: recall what is known, run the rest in warm processes."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol

import jwmirror
from jwmirror.errors import CalibrationError, JwmirrorError
from jwmirror.recalibrate.derivation import bind, key_of
from jwmirror.recalibrate.stages import NO_PARS, Cost, Output
from jwmirror.recalibrate.warm import DONE, FAILED, KILLED, LATE, Ending, Job
from jwmirror.records import (
    Chain,
    Derivation,
    Failure,
    Receipt,
    Result,
    ResultFile,
    canonical,
    parse,
)

ARITHMETIC = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ARITHMETIC}  # exposures are parallel
TAIL = 2000  # characters of the warm process's own messages that are quoted


class Bench(Protocol):
    """What a worker needs of the store; it is called from one thread at a time."""

    def locate(self, sha256: str) -> Path:
        """Where the object of that name is."""

    def recall(self, key: str) -> tuple[ResultFile, ...] | None:
        """The files of the result of that key; None unless all are there."""

    def keep(
        self, derivation: Derivation, outputs: Sequence[Output], cost: Cost
    ) -> tuple[ResultFile, ...]:
        """Take a result's files in, with its provenance; gives them as they are in the store."""


class StageError(CalibrationError):
    """A stage did not end well; `kind` is failed, killed or late."""

    def __init__(self, kind: str, message: str):
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True)
class Outcome:
    """What became of one chain."""

    results: tuple[Result, ...]
    computed: tuple[str, ...]
    failure: Failure | None = None
    was_killed: bool = False


def calibrate(
    chains: Iterable[Chain], bench: Bench, workers: int, work: Path, logs: Path, timeout_s: float
) -> Receipt:
    """Calibrate the chains of a batch, `workers` exposures at a time; a failed one spoils itself.

    Stages run in folders below `work`, which are removed; their messages go to
    `logs`/<product>.log. Hooks of the user's are looked for in the working directory. CRDS is as
    os.environ says (references.environment). A stage killed by the system is tried once more, with
    nothing else running.
    """
    lines = list(_by_exposure(chains).values())
    with Shop(bench, Path(work), Path(logs), timeout_s) as shop:
        first = shop.follow_all(lines, workers)
        outcomes = [
            shop.follow(line) if any(each.was_killed for each in found) else found
            for line, found in zip(lines, first, strict=True)
        ]
    flat = [outcome for line in outcomes for outcome in line]
    return _receipt(flat, _computed(first) | _computed(outcomes))


def _by_exposure(chains: Iterable[Chain]) -> dict[str, list[Chain]]:
    """Chains of one exposure follow each other, so that equal keys are computed once."""
    lines: dict[str, list[Chain]] = {}
    for chain in chains:
        lines.setdefault(chain.product, []).append(chain)
    return lines


def _computed(lines: Iterable[Iterable[Outcome]]) -> dict[str, None]:
    return {key: None for line in lines for outcome in line for key in outcome.computed}


def _receipt(outcomes: Sequence[Outcome], computed: Mapping[str, None]) -> Receipt:
    return Receipt(
        results=tuple(result for outcome in outcomes for result in outcome.results),
        computed=tuple(computed),
        failures=tuple(outcome.failure for outcome in outcomes if outcome.failure),
    )


class Shop:
    """Where chains are worked off; the warm process is started when first needed."""

    def __init__(self, bench: Bench, work: Path, logs: Path, timeout_s: float):
        self._bench, self._work, self._logs, self._timeout_s = bench, work, logs, timeout_s
        self._bench_lock = threading.Lock()
        self._host = Host(logs / "worker.log")

    def __enter__(self) -> "Shop":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._host.close()

    def follow_all(self, lines: Sequence[Sequence[Chain]], workers: int) -> list[list[Outcome]]:
        """Work off the chains of several exposures side by side; on an interrupt, stop them."""
        with ThreadPoolExecutor(max(1, workers)) as lanes:
            try:
                return list(lanes.map(self.follow, lines))
            except BaseException:
                self._host.close()
                lanes.shutdown(cancel_futures=True)
                raise

    def follow(self, chains: Iterable[Chain]) -> list[Outcome]:
        """Work off the chains of one exposure, in order."""
        return [self._follow(chain) for chain in chains]

    def _follow(self, chain: Chain) -> Outcome:
        results: list[Result] = []
        computed: list[str] = []
        files: tuple[ResultFile, ...] = ()
        try:
            for derivation in chain.derivations:
                derivation = bind(derivation, files)
                key = key_of(derivation)
                with self._bench_lock:
                    known = self._bench.recall(key)
                if known is None:
                    known = self._compute(derivation)
                    computed.append(key)
                files = known
                results.append(_result(chain, derivation, key, files))
        except (JwmirrorError, OSError) as err:
            failure = Failure(name=f"{chain.recipe}/{chain.product}", message=str(err))
            killed = isinstance(err, StageError) and err.kind == KILLED
            return Outcome(tuple(results), tuple(computed), failure, killed)
        return Outcome(tuple(results), tuple(computed))

    def _compute(self, derivation: Derivation) -> tuple[ResultFile, ...]:
        folder = (self._work / f"{derivation.product}-{derivation.pipeline}").absolute()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            for item in derivation.inputs:
                (folder / item.name).symlink_to(self._bench.locate(item.sha256).absolute())
            ending = self._run(derivation, folder)
            with self._bench_lock:
                return self._bench.keep(derivation, ending.outputs, ending.cost)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, derivation: Derivation, folder: Path) -> Ending:
        log = (self._logs / f"{derivation.product}.log").absolute()
        ending = self._host.run(derivation, folder, log, self._timeout_s)
        if ending.kind == DONE:
            return ending
        why = {
            FAILED: ending.error,
            KILLED: f"it was killed ({ending.error}; peak memory "
            f"{ending.cost.peak_memory / 1e9:.1f} GB), also when tried again alone; "
            "give the job more memory",
            LATE: f"it took longer than {self._timeout_s:g} s and was stopped; "
            "raise calibrate.timeout in the config",
        }[ending.kind]
        raise StageError(ending.kind, f"{derivation.pipeline}: {why}; messages are in {log}.")


def _result(
    chain: Chain, derivation: Derivation, key: str, files: tuple[ResultFile, ...]
) -> Result:
    return Result(
        recipe=chain.recipe,
        program=chain.program,
        observation=chain.observation,
        pipeline=derivation.pipeline,
        product=derivation.product,
        key=key,
        files=files,
    )


class Host:
    """The caller's end of a warm process; any number of threads may run stages in it."""

    def __init__(self, log: Path, python: str = sys.executable):
        self._log, self._python = log, python
        self._base = Path.cwd()  # where snakemake was called
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._waiting: dict[int, Future[Ending]] = {}  # of the present process
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def run(self, derivation: Derivation, folder: Path, log: Path, timeout_s: float) -> Ending:
        """Run a stage and wait for its end."""
        future: Future[Ending] = Future()
        with self._lock:
            process = self._started()
            job = Job(
                number=next(self._numbers),
                derivation=derivation,
                folder=str(folder),
                base=str(self._base),
                log=str(log),
                timeout_s=timeout_s,
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
                        "jwmirror.recalibrate.warm",
                    ],  # -P: no modules from here
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C reaches the caller, who closes the input
                )
            self._waiting = {}
            self._reader = threading.Thread(
                target=self._listen, args=[self._process, self._waiting], daemon=True
            )
            self._reader.start()
        return self._process

    def _listen(
        self, process: "subprocess.Popen[bytes]", waiting: dict[int, Future[Ending]]
    ) -> None:
        for line in process.stdout:
            ending = parse(line, Ending)
            with self._lock:
                future = waiting.pop(ending.number)
            future.set_result(ending)
        process.wait()
        with self._lock:
            lost = list(waiting.values())
        for future in lost:
            future.set_exception(self._lost())

    def _lost(self) -> StageError:
        said = ""
        with contextlib.suppress(FileNotFoundError):
            said = self._log.read_text(errors="replace")[-TAIL:].strip()
        return StageError(
            KILLED,
            f"the process that runs jwst has ended; its last messages are:\n{said}",
        )


def _environment() -> dict[str, str]:
    """The caller's, with this jwmirror first, one thread each, and no second look-up."""
    root = str(Path(jwmirror.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path, NO_PARS: "true", "MPLBACKEND": "Agg"}
