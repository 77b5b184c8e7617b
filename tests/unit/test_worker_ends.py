"""How a stage may end in a worker: done, failed, killed, late, interrupted; others go on."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Listener

import psutil
import pytest

from jwmirror.core.model import canonical
from jwmirror.engine.batch import ShortOfMemoryError
from jwmirror.engine.forkserver import _described
from jwmirror.pipeline.allowed_environments import ALLOWED
from tests.setup.calibration import (  # noqa: F401
    DEEP,
    ROOT,
    SCRIPT,
    folder,
    observed,
)


class Keeper(threading.Thread):
    """Kills the largest of some processes when they hold more than a limit, as systems do.

    They report by their pid and then wait. In each round it looks at as many as `rounds` says.
    """

    def __init__(self, listener: Listener, limit: int, rounds: Sequence[int]):
        super().__init__(daemon=True)
        self.listener, self.limit, self.rounds = listener, limit, rounds  # limit: bytes
        self.killed: list[tuple[int, ...]] = []  # per round: what was held by those killed

    def run(self) -> None:
        """See to all rounds."""
        for count in self.rounds:
            links = [self.listener.accept() for _ in range(count)]
            held = {link.recv(): link for link in links}
            sizes = {pid: psutil.Process(pid).memory_full_info().uss for pid in held}
            largest = max(sizes, key=sizes.get)
            is_over = sum(sizes.values()) > self.limit
            self.killed.append((sizes[largest],) if is_over else ())
            if is_over:
                os.kill(largest, signal.SIGKILL)
                held.pop(largest)
            for link in held.values():
                link.send("go on")


def test_one_bad_exposure_spoils_only_itself(folder):
    """A pipeline that raises fails with its words and the place of its log; the other is made."""
    bad, good = folder.plan(replace(DEEP, stages=(1,)))

    receipt = folder.calibrate([folder.with_hook(bad, "fail"), good])

    (failure,) = receipt.failures
    assert failure.name == f"deep/{bad.product}"
    assert "detector1: ValueError: no groups left" in failure.message
    assert "Traceback" in (folder.root / "logs" / f"{bad.product}.log").read_text()
    assert [result.product for result in receipt.results] == [good.product]


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("no groups left\nof 5", "RuntimeError: no groups left"),
        (
            "Traceback (most recent call last):\n  File x\nValueError: no traces",
            "ValueError: no traces",
        ),
        ("", "RuntimeError"),
    ],
)
def test_an_error_is_described_by_one_line(text, described):
    """Spec2Pipeline raises one whose text is a traceback."""
    assert _described(RuntimeError(text)) == described


@pytest.mark.parametrize("hook", ["die", "ask_for_too_much"])
def test_a_stage_that_found_no_memory_is_tried_once_more(folder, hook):
    """Killed the first time, or refused what it asked for; the second time it goes well."""
    (chain,) = folder.plan(replace(DEEP, stages=(1,)), count=1)

    receipt = folder.calibrate([folder.with_hook(chain, hook)])

    assert receipt.failures == ()
    assert len(receipt.computed) == 1
    assert (folder.root / "died").exists()


def test_of_two_that_hold_too_much_the_larger_is_killed_and_made_alone(folder):
    """By what they really hold: the other goes on untouched, then the first has all the room."""
    large, other = folder.plan(replace(DEEP, stages=(1,)))
    keeper = Keeper(folder.listener, limit=800_000_000, rounds=(2, 1))
    keeper.start()

    receipt = folder.calibrate(
        [folder.with_hook(large, "hold_much"), folder.with_hook(other, "hold_little")]
    )

    assert receipt.failures == ()
    assert list(map(len, keeper.killed)) == [1, 0]
    assert keeper.killed[0][0] > 600_000_000
    assert [each.product for each in receipt.spent] == [large.product, other.product, large.product]
    assert len(receipt.computed) == len(folder.store.costs) == 2


def test_what_is_killed_alone_waits_for_a_job_with_more_memory(folder):
    """Its job ends without a receipt; the next one makes only what was killed."""
    short, other = folder.plan(replace(DEEP, stages=(1,)))
    chains = [folder.with_hook(short, "die_twice"), other]

    with pytest.raises(ShortOfMemoryError, match=f"deep/{short.product}: killed also when") as told:
        folder.calibrate(chains, has_retries_left=True)
    kept = len(folder.store.costs)
    receipt = folder.calibrate(chains, has_retries_left=True)

    assert told.value.names == [f"deep/{short.product}"] and kept == 1
    assert receipt.failures == ()
    assert [each.product for each in receipt.spent] == [short.product]
    assert {result.product for result in receipt.results} == {short.product, other.product}


def test_a_crash_is_not_taken_for_want_of_memory(folder):
    """It would crash again: it is tried once, and told; no job with more memory is asked for."""
    (chain,) = folder.plan(replace(DEEP, stages=(1,)), count=1)

    receipt = folder.calibrate([folder.with_hook(chain, "crash")], has_retries_left=True)

    assert "ended without an answer (Segmentation fault)" in receipt.failures[0].message
    assert (folder.root / "died").read_text() == "x"


def test_killed_and_late_stages_are_told_as_such(folder):
    """What killed it, what it took, and what to change."""
    killed, late = folder.plan(replace(DEEP, stages=(1,)))
    chains = [folder.with_hook(killed, "die_always"), folder.with_hook(late, "sleep")]

    receipt = folder.calibrate(chains, timeout_s=3)

    told = {failure.name: failure.message for failure in receipt.failures}
    assert "probably for lack of memory (Killed; peak memory 0." in told[f"deep/{killed.product}"]
    assert "took longer than 3 s" in told[f"deep/{late.product}"]
    assert receipt.results == ()


def test_stages_end_before_the_time_limit_of_the_last_attempt(folder):
    """One is stopped, and the other does not begin; both say how to get more time."""
    first, second = folder.plan(replace(DEEP, stages=(1,)))
    chains = [folder.with_hook(first, "sleep"), replace(second, memory=10**12)]

    receipt = folder.calibrate(chains, seconds_left=3, memory_limit=10**10)

    assert [failure.cause for failure in receipt.failures] == ["late", "late"]
    stopped, unbegun = (failure.message for failure in receipt.failures)
    assert "the time limit of the last attempt of its job was near, and it was stopped" in stopped
    assert "and it did not begin; raise `runtime`" in unbegun


def test_nobody_waits_for_a_process_that_answers_nonsense(folder, monkeypatch):
    """It is stopped, and what waits for it fails and says why."""
    (chain,) = folder.plan(replace(DEEP, stages=(1,)), count=1)
    babbler = folder.root / "bin" / "python"
    babbler.parent.mkdir()
    babbler.write_text("#!/bin/sh\nread job\necho nonsense\nexec sleep 60\n")
    babbler.chmod(0o755)
    monkeypatch.setenv(ALLOWED, str(babbler.parent.parent))

    receipt = folder.calibrate([replace(chain, python=str(babbler))])

    assert "its answer is not the outcome of a stage" in receipt.failures[0].message


def test_an_interrupt_stops_what_runs(folder):
    """Ctrl-C in a worker with a long stage: it ends at once, and so does the stage."""
    (chain,) = folder.plan(replace(DEEP, stages=(1,)), count=1)
    (folder.root / "chain.json").write_text(canonical(folder.with_hook(chain, "tell_and_sleep")))
    script = folder.root / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    process = subprocess.Popen([sys.executable, script], cwd=folder.root, stderr=subprocess.PIPE)

    with open(folder.root / "pid") as told:  # a named pipe: waits for the stage
        pid = int(told.read())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert b"KeyboardInterrupt" in said
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
