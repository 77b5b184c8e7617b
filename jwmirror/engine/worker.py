"""Calibrate the chains of a batch: recall what is known, run the rest in warm processes."""

import shutil
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Protocol

from jwmirror.core.errors import CalibrationError, JwmirrorError
from jwmirror.core.model import Chain, Derivation, Failure, Receipt, Result, ResultFile, Spent
from jwmirror.core.model.plan import Cost, Output
from jwmirror.engine.client import StageClient, StageError
from jwmirror.engine.forkserver import DONE, FAILED, KILLED, LATE, StageOutcome
from jwmirror.engine.memory_pool import MemoryPool
from jwmirror.pipeline import ramps
from jwmirror.pipeline.derivation import bind, key_of


class Results(Protocol):
    """The store of results as workers use it; called from one thread at a time."""

    def locate(self, sha256: str) -> Path:
        """Where the object of that name is."""

    def recall(self, key: str) -> tuple[ResultFile, ...] | None:
        """The files of the result of that key; None unless all are there."""

    def store_result(
        self, derivation: Derivation, outputs: Sequence[Output], cost: Cost
    ) -> tuple[ResultFile, ...]:
        """Move a result's files into the store, with its record; return the stored files."""


@dataclass(frozen=True)
class DerivationResult:
    """A derivation and what it gave, now or before."""

    derivation: Derivation
    files: tuple[ResultFile, ...]
    is_new: bool


@dataclass(frozen=True)
class ChainOutcome:
    """What became of one chain."""

    results: tuple[Result, ...]
    computed: tuple[str, ...]
    failure: Failure | None = None
    was_killed: bool = False


class ShortOfMemoryError(CalibrationError):
    """Exposures were killed though they had all the memory of their job; the others are done."""

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        super().__init__(
            f"{', '.join(names)}: killed also when tried again alone; the others are in the store; "
            "the job is tried again with more memory."
        )


def calibrate(
    chains: Iterable[Chain],
    results: Results,
    workers: int,
    work: Path,
    logs: Path,
    timeout_s: float,
    room: float = inf,
    more_may_come: bool = False,
) -> Receipt:
    """Calibrate the chains of a batch, `workers` exposures at a time; a failed one spoils itself.

    Fewer at a time where the estimates of their memory come to more than `room` (bytes).

    Stages run in folders below `work`, which are removed; their messages go to
    `logs`/<product>.log. Hooks of the user's are looked for in the working directory. CRDS is as
    os.environ says (references.environment). A stage killed by the system is tried once more, with
    nothing else running. If that does not help either: ShortOfMemoryError where `more_may_come`
    (the job can be tried again with more), else it is a failure like others.
    """
    lines = list(_by_exposure(chains).values())
    with ChainRunner(results, Path(work), Path(logs), timeout_s, MemoryPool(room)) as shop:
        first = shop.follow_all(lines, workers)
        outcomes = [
            shop.follow(line) if any(each.was_killed for each in found) else found
            for line, found in zip(lines, first, strict=True)
        ]
    flat = [outcome for line in outcomes for outcome in line]
    if more_may_come and (short := [each.failure.name for each in flat if each.was_killed]):
        raise ShortOfMemoryError(short)
    return _receipt(flat, _computed(first) | _computed(outcomes), shop.spent)


def _by_exposure(chains: Iterable[Chain]) -> dict[str, list[Chain]]:
    """Chains of one exposure follow each other, so that equal keys are computed once."""
    lines: dict[str, list[Chain]] = {}
    for chain in chains:
        lines.setdefault(chain.product, []).append(chain)
    return lines


def _computed(lines: Iterable[Iterable[ChainOutcome]]) -> dict[str, None]:
    return {key: None for line in lines for outcome in line for key in outcome.computed}


def _receipt(
    outcomes: Sequence[ChainOutcome], computed: Mapping[str, None], spent: Sequence[Spent]
) -> Receipt:
    return Receipt(
        results=tuple(result for outcome in outcomes for result in outcome.results),
        computed=tuple(computed),
        spent=tuple(spent),
        failures=tuple(outcome.failure for outcome in outcomes if outcome.failure),
    )


class ChainRunner:
    """Where chains are worked off; a warm process per Python, started when first needed."""

    def __init__(
        self,
        results: Results,
        work: Path,
        logs: Path,
        timeout_s: float,
        room: MemoryPool | None = None,
    ):
        self._results, self._work, self._logs, self._timeout_s = results, work, logs, timeout_s
        self._room = room or MemoryPool(inf)
        self.spent: list[Spent] = []  # on each stage, as they ended
        self._lock = threading.Lock()
        self._hosts: dict[str, StageClient] = {}  # by Python

    def __enter__(self) -> "ChainRunner":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _host(self, python: str) -> StageClient:
        """Where stages run under this Python; "" for our own."""
        with self._lock:
            if python not in self._hosts:
                self._hosts[python] = StageClient(
                    self._logs / "worker.log", python or sys.executable
                )
            return self._hosts[python]

    def _close(self) -> None:
        for host in self._hosts.values():
            host.close()

    def follow_all(
        self, lines: Sequence[Sequence[Chain]], workers: int
    ) -> list[list[ChainOutcome]]:
        """Work off the chains of several exposures side by side; on an interrupt, stop them."""
        with ThreadPoolExecutor(max(1, workers)) as lanes:
            try:
                return list(lanes.map(self.follow, lines))
            except BaseException:
                self._close()
                lanes.shutdown(cancel_futures=True)
                raise

    def follow(self, chains: Iterable[Chain]) -> list[ChainOutcome]:
        """Work off the chains of one exposure, in order, when there is room for them."""
        chains = list(chains)
        with self._room.taken(max((chain.memory for chain in chains), default=0)):
            return [self._follow(chain) for chain in chains]

    def _follow(self, chain: Chain) -> ChainOutcome:
        results: list[Result] = []
        computed: list[str] = []
        files: tuple[ResultFile, ...] = ()
        try:
            for derivation in chain.derivations:
                for made in self._made(bind(derivation, files), chain):
                    key = key_of(made.derivation)
                    results.append(_result(chain, made.derivation, key, made.files))
                    computed += [key] if made.is_new else []
                    files = made.files
        except (JwmirrorError, OSError) as err:
            failure = Failure(
                name=f"{chain.recipe}/{chain.product}",
                message=str(err),
                recipe=chain.recipe,
                product=chain.product,
            )
            killed = isinstance(err, StageError) and err.kind == KILLED
            return ChainOutcome(tuple(results), tuple(computed), failure, killed)
        return ChainOutcome(tuple(results), tuple(computed))

    def _made(self, derivation: Derivation, chain: Chain) -> list[DerivationResult]:
        """A derivation's result, computed if it is not known; before it the ramp, if kept."""
        known = self._recalled(derivation)
        if not ramps.keeps_ramp(derivation, chain.keep):
            return known or self._compute(derivation, chain.python)
        ramp = self._recalled(ramps.ramp_derivation(derivation))
        if known:
            return ramp + known
        if ramp:
            return ramp + self._compute(derivation, chain.python, ramps.RESUME, ramp[0].files)
        return self._compute(derivation, chain.python, ramps.KEEP)

    def _recalled(self, derivation: Derivation) -> list[DerivationResult]:
        """What was made before of a derivation; empty if nothing was."""
        with self._lock:
            files = self._results.recall(key_of(derivation))
        return [DerivationResult(derivation, files, is_new=False)] if files else []

    def _compute(
        self,
        derivation: Derivation,
        python: str,
        ramp: str = ramps.FULL,
        kept: tuple[ResultFile, ...] = (),
    ) -> list[DerivationResult]:
        """Run a stage in a folder of its own, and keep what it made; `kept` is linked beside."""
        name = f"{derivation.product}-{derivation.pipeline}-{key_of(derivation)[:12]}"
        folder = (self._work / name).absolute()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)  # what is made here may be exclusive
        try:
            for item in derivation.inputs:
                (folder / item.name).symlink_to(self._results.locate(item.sha256).absolute())
            for file in kept:
                (folder / file.filename).symlink_to(self._results.locate(file.sha256).absolute())
            ending = self._run(derivation, python, folder, ramp)
            return [
                self._kept(part, outputs, ending.cost)
                for part, outputs in ramps.split_outputs(derivation, ending.outputs, ramp)
            ]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _kept(
        self, derivation: Derivation, outputs: Sequence[Output], cost: Cost
    ) -> DerivationResult:
        with self._lock:
            files = self._results.store_result(derivation, outputs, cost)
        return DerivationResult(derivation, files, is_new=True)

    def _run(self, derivation: Derivation, python: str, folder: Path, ramp: str) -> StageOutcome:
        log = (self._logs / f"{derivation.product}.log").absolute()
        ending = self._host(python).run(derivation, folder, log, self._timeout_s, ramp)
        self.spent.append(
            Spent(
                pipeline=derivation.pipeline,
                product=derivation.product,
                seconds=round(ending.cost.seconds, 3),
                peak_memory=ending.cost.peak_memory,
            )
        )
        if ending.kind == DONE:
            return ending
        why = {
            FAILED: ending.error,
            KILLED: f"it was killed, as for want of memory ({ending.error}; peak memory "
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
