"""The mill: work on a mirror, seeded, that tells what was done; and the judge of what is left."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random

from jwmirror.core.errors import LockedError
from jwmirror.core.files import sha256_of
from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Entry, ResultFile, digest
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin, read_pins, remove_pin
from jwmirror.store.provenance import Provenance
from tests.setup.mirrors import wrong_objects
from tests.setup.records import derivation, entry, product, science

NAMES = [f"jw01345001001_02101_{n:05d}_nrcb1_rate.fits" for n in range(1, 9)]
SHARM = Path("/dev/shm")
LONG = os.environ.get("JWMIRROR_TORTURE") == "long"
SEED = int(os.environ.get("JWMIRROR_TORTURE_SEED", "1345"))
DIES_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG
RUINED = 1  # exit code of a mill that met an error
KEEP = RetentionPolicy(keep_last=3)

State = dict[str, str]  # path -> sha256


def times(short: int, long: int) -> int:
    """How often to do something: in the tests of every day, and in `make torture`."""
    return long if LONG else short


def upstream(root: Path, files: dict[str, bytes]) -> list[Entry]:
    """Take files in together; their rows."""
    mark_mirror(root)
    store = Objects(root)
    places = [store.incoming / f"{name}.{os.getpid()}" for name in files]
    for place, data in zip(places, files.values(), strict=True):
        place.write_bytes(data)
    sums = store.add_files(places)
    return [
        entry(product(name, size=len(data)), sha256=sha256, size=len(data))
        for (name, data), sha256 in zip(files.items(), sums, strict=True)
    ]


def store_result(root: Path, name: str, data: bytes) -> Entry:
    """Keep a result with its provenance; its row. Its key is made of the bytes."""
    mark_mirror(root)
    store = Objects(root)
    place = store.incoming / f"made.{name}.{os.getpid()}"
    place.write_bytes(data)
    sha256 = store.add(place)
    made = derivation("image2", name, engine={}, inputs=(science(name, sha256),))
    file = ResultFile(filename=name, sha256=sha256, size=len(data), identity=sha256)
    key = digest(made)
    Provenance(root).record_once(
        ProvenanceRecord(
            key=key, derivation=made, files=(file,), seconds=1.0, peak_memory=1, made_at="2026"
        )
    )
    path = f"recalibrated/deep/jw01345/o001/{name}"
    row = {"sha256": sha256, "size": len(data), "identity": sha256, "key": key}
    return Entry(path=path, origin="deep", result=f"image2/{name}", **row)


def publish(root: Path, rows: list[Entry], wait_s: float | None = None) -> int:
    """Publish the current state with these rows laid over it; the number that is current then."""
    with mirror_lock(root, "a publication", wait_s):
        generations = Generations(root)
        over = {row.path: row for row in [*generations.entries(), *rows]}
        generations.publish(over.values(), "the mill", {"run": "R"})
        return generations.require_current().number


def state_of(root: Path, number: int) -> State:
    """What a generation shows."""
    rows = Generations(root).read(number).columns("path", "sha256")
    return dict(zip(rows.column("path"), rows.column("sha256"), strict=True))


class Mill:
    """Random work on a mirror; `tell` gets a word before and after what changes its state."""

    def __init__(self, root: Path, seed: int, tell: Callable[[str, int], None]):
        self.root, self.random, self.tell = root, Random(seed), tell

    def turn(self) -> None:
        """One random command."""
        acts = [self.update, self.pin, self.unpin, self.roll_back, self.prune]
        if Generations(self.root).current() is None:
            acts = acts[:1]
        self.random.choices(acts, weights=[6, 1, 1, 2, 2][: len(acts)])[0]()

    def update(self) -> None:
        """Take some files in and publish them."""
        names = self.random.sample(NAMES, self.random.randint(1, 3))
        data = {
            name: self.random.randbytes(self.random.choice([0, 1, 700, 9000])) for name in names
        }
        with mirror_lock(self.root, "a run", None, name=RUN_LOCK):
            rows = upstream(self.root, data)
            if self.random.random() < 0.5:
                rows.append(store_result(self.root, names[0], self.random.randbytes(50)))
            self.tell("publishing", 0)
            self.tell("current", publish(self.root, rows))

    def roll_back(self) -> None:
        """Go to any generation that is there."""
        number = self.random.choice(Generations(self.root).unpruned()).number
        self.tell("going", number)
        roll_back(self.root, number)
        self.tell("current", number)

    def pin(self) -> None:
        """Give a generation a name, if there are few."""
        if len(read_pins(self.root)) < 3:
            number = self.random.choice(Generations(self.root).unpruned()).number
            add_pin(self.root, f"paper-{self.random.randrange(10**6)}", number)
            self.tell("pinned", number)

    def unpin(self) -> None:
        """Take a name away, if there is one."""
        found = read_pins(self.root)
        if found:
            gone = self.random.choice(found)
            self.tell("unpinned", gone.generation)
            remove_pin(self.root, gone.name)

    def prune(self) -> None:
        """Keep what the policy keeps."""
        prune(self.root, KEEP)


class Account:
    """What mills told of one mirror: the states that were acknowledged."""

    def __init__(self, root: Path):
        self.root = root
        self.states: dict[int, State] = {}
        self.allowed: set[int] = set()  # that may be current; none: any new one
        self.publishing = False
        self.pinned: list[int] = []

    def hear(self, word: str, number: int) -> None:
        """Note what a mill told."""
        if word == "current":
            self.states.setdefault(number, {})
            self.allowed, self.publishing = {number}, False
        if word == "going":
            self.allowed.add(number)
        if word == "publishing":
            self.publishing = True
        if word == "pinned":
            self.pinned.append(number)
        if word == "unpinned" and number in self.pinned:  # else killed before it told of the pin
            self.pinned.remove(number)

    def judge(self) -> None:
        """AssertionError unless all that was acknowledged is there, whole, and nothing is wrong."""
        assert wrong_objects(self.root) == []
        generations = Generations(self.root)
        current = generations.current()
        if current is None:
            assert not self.states
            return
        newest = max(self.states, default=0)
        assert current.number in self.allowed or (self.publishing and current.number > newest)
        kept = {each.number for each in generations.unpruned()}
        assert {current.number, *self.pinned} <= kept
        for number in self.states:
            generations.read(number)
        for number in kept:
            self._judge_state(number)
        self.allowed, self.publishing = {current.number}, False
        generations.repair_pointers()
        assert shown(self.root) == state_of(self.root, current.number)

    def _judge_state(self, number: int) -> None:
        generation = Generations(self.root).read(number)
        rows = generation.entries()
        found = dict(zip(rows.column("path"), rows.column("sha256"), strict=True))
        assert self.states.setdefault(number, {}) in ({}, found)
        self.states[number] = found
        Generations(self.root).check_objects(rows)


def shown(root: Path) -> State:
    """What a reader finds in current/: path -> sha256 of its bytes."""
    view = root / "current"
    found = (path for path in view.rglob("*") if path.is_symlink())
    return {str(path.relative_to(view)): sha256_of(path) for path in found}


def in_child(work: Callable[[Callable[[str, int], None]], None]) -> tuple[int, int]:
    """Do work in a forked process; its pid, and the pipe into which it tells."""
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        return child, told
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    try:
        os.close(told)
        work(lambda word, number: os.write(tell, f"{word} {number}\n".encode()) and None)
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        os._exit(RUINED)
    os._exit(0)


def grind(root: Path, seed: int, told: Callable[[str, int], None]) -> None:
    """Turn a mill until somebody ends it."""
    mill = Mill(root, seed, told)
    while True:
        try:
            mill.turn()
        except LockedError:  # a pruner that came in between
            continue


def end(child: int, told: int, account: Account, is_killed: bool = True) -> int:
    """End a mill, hear all it told, and bury it; its exit code (negative: the signal)."""
    if is_killed:
        os.kill(child, signal.SIGKILL)
    with ExitStack() as stack:
        lines = stack.enter_context(open(told)).read().splitlines()
    for line in lines:
        word, number = line.split()
        account.hear(word, int(number))
    return buried(child)


def buried(child: int) -> int:
    """Wait for a child; its exit code (negative: the signal)."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
