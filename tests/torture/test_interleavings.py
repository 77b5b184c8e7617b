"""Two publishers and a pruner, step by step in every order that a seed draws: nothing is lost."""

import sys
import threading
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from jwmirror.core.errors import LockedError, StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.model.maintenance import Pruning
from jwmirror.store import lock
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.verify import verify
from tests.setup.mirrors import wrong_objects
from tests.torture.mill import SEED, publish, times, upstream

INTERLEAVINGS = times(500, 5000)
LATE = times(100, 2000)  # of jobs that outlived their run


class Turns:
    """Lets one of several threads go on at a time; who is next at each step, a seed decides."""

    def __init__(self, seed: int):
        self._random, self._free = Random(seed), threading.Condition()
        self._waiting: list[str] = []
        self._turn, self.steps = "", 0

    def run(self, **works) -> None:
        """Do all works at once, step by step; the first error of one of them."""
        self.errors: list[BaseException] = []
        self._waiting = sorted(works)
        self._turn = self._random.choice(self._waiting)
        threads = [
            threading.Thread(target=self._do, args=(work,), name=name)
            for name, work in works.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def step(self, *_: object) -> None:
        """Where another may go on instead."""
        me = threading.current_thread().name
        if me not in self._waiting:
            return
        with self._free:
            self.steps += 1
            self._turn = self._random.choice(self._waiting)
            self._free.notify_all()
            self._free.wait_for(lambda: self._turn == me)

    def _do(self, work) -> None:
        me = threading.current_thread().name
        with self._free:
            self._free.wait_for(lambda: self._turn == me)
        try:
            work()
        except BaseException as error:
            self.errors.append(error)
        with self._free:
            self._waiting.remove(me)
            self._turn = self._random.choice(self._waiting) if self._waiting else ""
            self._free.notify_all()


@pytest.fixture
def turns(monkeypatch):
    """Make every failpoint, and every wait for a lock, a step of the given turns."""

    def use(turns: Turns) -> None:
        for name, module in list(sys.modules.items()):
            is_ours = name.startswith("jwmirror.")
            if is_ours and getattr(module, "failpoint", None) in (failpoint, *used):
                monkeypatch.setattr(module, "failpoint", turns.step)
        used.append(turns.step)
        clock = SimpleNamespace(monotonic=lock.time.monotonic, sleep=turns.step)
        monkeypatch.setattr(lock, "time", clock)

    used: list[object] = []
    return use


def publisher(root: Path, name: str) -> None:
    """A run: it takes files in and publishes them."""
    with mirror_lock(root, f"run {name}", None, name=RUN_LOCK):
        publish(root, upstream(root, {name: name.encode(), "both": name.encode()}))


def late(root: Path, name: str) -> None:
    """A job without a run: what was pruned before it was published is refused, and comes again."""
    while True:
        try:
            publish(root, upstream(root, {name: b"old"}))
            return
        except StoreError as error:
            assert "missing or short" in str(error)


def pruner(root: Path) -> Pruning:
    """Prunes until it comes through."""
    while True:
        try:
            return prune(root, RetentionPolicy(keep_last=1))
        except LockedError:
            lock.time.sleep(0)


@pytest.mark.slow
def test_no_interleaving_loses_an_object(chamber, turns):
    """Each state that is there is whole, and both publishers' last files are current."""
    steps, pruned, lasts = 0, 0, set()
    for seed in range(SEED, SEED + INTERLEAVINGS):
        root, together = chamber / str(seed), Turns(seed)
        publish(root, upstream(root, {"first": b"1"}))
        turns(together)

        together.run(
            one=lambda root=root: publisher(root, "one"),
            two=lambda root=root: publisher(root, "two"),
            pruner=lambda root=root: pruner(root),
        )

        steps += together.steps
        generations = Generations(root)
        for each in generations.unpruned():
            generations.check_objects(each.entries())
        view = root / "current/upstream/jw01345/o001"
        assert {path.name: path.read_bytes() for path in view.iterdir()} in (
            {"first": b"1", "one": b"one", "two": b"two", "both": both} for both in (b"one", b"two")
        ), seed
        assert wrong_objects(root) == [], seed
        pruned += len(generations.all()) - len(generations.unpruned())
        lasts.add((view / "both").read_bytes())
    assert steps > 40 * INTERLEAVINGS
    assert pruned > INTERLEAVINGS / 2 and lasts == {b"one", b"two"}  # they did meet


@pytest.mark.slow
def test_what_comes_in_while_it_is_pruned_stays(chamber, turns):
    """Jobs that outlived their run take in the very bytes that a prune is about to remove.

    No lock of a run keeps them apart, so a publication may be refused, but never lacks an object.
    """
    meetings = 0
    for seed in range(SEED, SEED + LATE):
        root, together = chamber / str(seed), Turns(seed)
        for data in (b"old", b"new"):
            publish(root, upstream(root, {"first": data}))
        turns(together)
        plans = []

        together.run(
            one=lambda root=root: late(root, "one"),
            two=lambda root=root: late(root, "two"),
            pruner=lambda root=root, plans=plans: plans.append(pruner(root)),
        )

        meetings += any(plan.objects for plan in plans)
        view = root / "current/upstream/jw01345/o001"
        assert {path.name: path.read_bytes() for path in view.iterdir()} == {
            "first": b"new", "one": b"old", "two": b"old"
        }, seed  # fmt: skip
        assert verify(root, full=True).problems == (), seed
    assert meetings > LATE / 10
