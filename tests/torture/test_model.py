"""The store beside a model of plain dicts: whatever is done in whatever order, they agree."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Version
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.repair import repair
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.maintenance.verify import object_path, verify
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin, remove_pin
from tests.torture.mill import NAMES, SHARM, publish, times, upstream

STEPS = 50  # of one history
HISTORIES = times(100, 4000)  # 5,000 steps, or 200,000
FLIP, CUT, DELETE = "flip", "cut", "delete"


class Store(RuleBasedStateMachine):
    """A mirror, and what it should be: name -> bytes for each generation."""

    def __init__(self):
        super().__init__()
        place = SHARM if SHARM.is_dir() else None
        self.root = Path(tempfile.mkdtemp(dir=place, prefix="jwmirror-torture."))
        self.taken = {}  # name -> row, taken in and not published
        self.rows = {}  # (path, sha256) -> row, of all that was ever published: MAST still has it
        self.bytes = {}  # sha256 -> bytes
        self.states = {}  # number -> {name: sha256}, of generations not pruned
        self.newest = {}  # name -> sha256 in the newest generation that has it
        self.pins = {}  # name -> number
        self.current = None
        self.last = 0
        self.parents = {}  # number -> the number that was current before it
        self.hurt = {}  # sha256 -> how

    def teardown(self):
        """Nothing is left on the machine."""
        shutil.rmtree(self.root, ignore_errors=True)

    # ---- what is done

    @rule(name=st.sampled_from(NAMES), data=st.binary(max_size=40))
    def ingest(self, name, data):
        """Take a file in."""
        (row,) = upstream(self.root, {name: data})
        self.taken[name] = row
        self.bytes[row.sha256] = data
        self.hurt.pop(row.sha256, None)  # taken in afresh

    @precondition(lambda self: self.taken)
    @rule()
    def publish(self):
        """Publish what was taken in, over the current state."""
        before = self.states.get(self.current, {})
        state = before | {name: row.sha256 for name, row in self.taken.items()}
        if state != before and self.broken(state):
            self.refused(lambda: publish(self.root, list(self.taken.values())))
            return
        number = publish(self.root, list(self.taken.values()))
        self.rows |= {(row.path, row.sha256): row for row in self.taken.values()}
        self.taken = {}
        if state != before and not self.is_newest_again(state):
            self.last += 1
            self.parents[self.last] = self.current
            self.states[self.last] = state
            self.newest |= state
        if state != before:
            self.current = self.last
        assert number == self.current

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def go_back(self, data):
        """Make any generation the current one."""
        number = data.draw(st.sampled_from(sorted(self.states)))
        if self.broken(self.states[number]):
            self.refused(lambda: roll_back(self.root, number))
            return
        roll_back(self.root, number)
        self.current = number

    @precondition(lambda self: self.states)
    @rule(data=st.data(), name=st.sampled_from(["paper", "talk", "thesis"]))
    def pin(self, data, name):
        """Give a generation a name, or take the name away."""
        if name in self.pins:
            remove_pin(self.root, name)
            del self.pins[name]
        else:
            self.pins[name] = data.draw(st.sampled_from(sorted(self.states)))
            add_pin(self.root, name, self.pins[name])

    @precondition(lambda self: self.states and not self.taken)  # as the lock of a run ensures
    @rule(last=st.integers(1, 3))
    def prune(self, last):
        """Keep the newest, the pinned and the current generations."""
        prune(self.root, RetentionPolicy(keep_last=last))
        kept = {*sorted(self.states)[-last:], *self.pins.values(), self.current}
        self.states = {number: self.states[number] for number in kept}
        self.hurt = {sha256: how for sha256, how in self.hurt.items() if sha256 in self.needed()}

    @precondition(lambda self: self.states)
    @rule(data=st.data(), how=st.sampled_from([FLIP, CUT, DELETE]))
    def corrupt(self, data, how):
        """Damage an object that is needed."""
        sound = sorted(s for s in self.needed() - self.hurt.keys() if self.bytes[s])
        if not sound:
            return
        sha256 = data.draw(st.sampled_from(sound))
        path, whole = Objects(self.root).path(sha256), self.bytes[sha256]
        path.unlink()
        if how != DELETE:
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if how == FLIP else whole[:-1])
        self.hurt[sha256] = how

    # ---- what is looked at

    @precondition(lambda self: self.states)
    @rule(full=st.booleans())
    def verify(self, full):
        """Just what was damaged is found; by a quick look, what shows in the length."""
        problems = verify(self.root, full).problems
        found = {each.path for each in problems if each.kind == "object"}
        needed = {s for s in self.hurt.keys() & self.needed() if full or self.hurt[s] != FLIP}
        seen = needed | (self.strays() if full else set())
        assert found == {object_path(sha256) for sha256 in seen}, problems
        assert {each.kind for each in problems} <= {"object"}

    @precondition(lambda self: self.states)
    @rule()
    def repair(self):
        """What a generation names comes back from MAST; what outlives its own is told.

        What nothing needs any more is put aside.
        """
        done = repair(self.root, full=True, refetch=self.refetch)
        named = {sha256 for state in self.states.values() for sha256 in state.values()}
        mended = {each.problem.path for each in done.outcomes if each.is_mended}
        told = {each.problem.path for each in done.outcomes if not each.is_mended}
        lasting = self.hurt.keys() & (self.needed() - named)
        mendable = (self.hurt.keys() & named) | self.strays()
        assert mended == {object_path(sha256) for sha256 in mendable}
        assert told == {object_path(sha256) for sha256 in lasting}
        self.hurt = {sha256: self.hurt[sha256] for sha256 in lasting}

    def refetch(self, products):
        """What MAST gives for products of versions that it has unchanged."""
        folder = Path(tempfile.mkdtemp(dir=Objects(self.root).incoming))
        for product in products:
            for row in self.rows.values():
                if row.product == product and row.sha256 in self.hurt:
                    path = folder / row.sha256
                    path.write_bytes(self.bytes[row.sha256])
                    yield Version(product=product, sha256=row.sha256, size=row.size), path

    @invariant()
    def every_generation_reads_back(self):
        """The current one is current, and shows the bytes that it should."""
        now = Generations(self.root).current()
        assert (now.number if now else None) == self.current
        assert [each.number for each in Generations(self.root).unpruned()] == sorted(self.states)
        for name, sha256 in self.states.get(self.current, {}).items():
            if sha256 not in self.hurt:
                shown = self.root / "current" / "upstream" / "jw01345" / "o001" / name
                assert shown.read_bytes() == self.bytes[sha256]

    # ---- the model

    def needed(self):
        """What generations that stay, and the newest versions of products, are made of."""
        named = {sha256 for state in self.states.values() for sha256 in state.values()}
        return named | set(self.newest.values())

    def strays(self):
        """What was damaged, is there, and is needed no more: a newer version came."""
        return {s for s in self.hurt.keys() - self.needed() if self.hurt[s] != DELETE}

    def broken(self, state):
        """Whether a state has objects that are missing or short."""
        return any(self.hurt.get(sha256) in (CUT, DELETE) for sha256 in state.values())

    def is_newest_again(self, state):
        """Whether a rollback went back from just that state, which then needs no new number."""
        is_next = self.last != self.current and self.parents.get(self.last) == self.current
        return is_next and self.states.get(self.last) == state

    def refused(self, work):
        """What cannot be is refused, and leaves everything as it was."""
        with pytest.raises(StoreError, match="missing or short"):
            work()


TestStore = Store.TestCase
TestStore.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=True,  # the same histories, as long as the same modules are loaded
    phases=[Phase.generate],  # to shorten a history that fails takes longer than to read it
    suppress_health_check=list(HealthCheck),
)
TestStore.pytestmark = [pytest.mark.slow]
