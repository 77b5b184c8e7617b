"""Every command that changes a mirror or writes one out, with a mirror for it to work on."""

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bagit

from jwmirror.core.files import as_store_error, sha256_of
from jwmirror.core.jsonio import write
from jwmirror.core.model import Poll, Product, Scope, Version
from jwmirror.core.model.maintenance import AdoptionReport, Hold, RepairReport
from jwmirror.core.model.quality import Acceptance
from jwmirror.net.staging import staging_folder
from jwmirror.store import runs as hints
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.adopt import adopt
from jwmirror.store.maintenance.bag import freeze
from jwmirror.store.maintenance.checkout import COPY, check_out
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.repair import repair
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import release, roll_back
from jwmirror.store.maintenance.run_cleanup import merge_unchanged
from jwmirror.store.maintenance.scan import scan_mirror
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin, find_pin, read_pins, remove_pin
from jwmirror.store.provenance import Provenance, keep_acceptance
from jwmirror.store.runs import RunFiles, fetched_versions
from tests.setup.mirrors import wrong_objects
from tests.setup.records import product
from tests.torture.mill import (
    State,
    buried,
    in_child,
    publish,
    shown,
    state_of,
    store_result,
    upstream,
)

OWN = ("locks", "incoming")  # what of a mirror differs from run to run
RUNS = ("20260101T000000.000000Z-1", "20260102T000000.000000Z-1")
HOLD = Hold(who="mill", since="2026-01-01T00:00:00+00:00")
FOUND = {"e": b"found", "f": b"found, too"}  # files that a user has already


@dataclass(frozen=True)
class Command:
    """One command; doing it twice is as doing it once."""

    do: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda root: None  # what is done before, undisturbed


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What there is of a mirror, and of what was written out of it beside it."""

    current: int | None
    states: dict[int, State]  # of generations that were not pruned
    broken: frozenset[str]  # objects that are needed and missing, or not what their name says
    is_right: bool
    outside: dict[str, dict[str, str]]  # folder -> path -> sha256
    names: frozenset[str]  # of all files, but for those of work under way


def earlier(root: Path) -> None:
    """The state before: four generations, of which the first has a name."""
    for turn in range(4):
        rows = upstream(root, {"a": f"{turn}".encode(), "b": b"b"})
        publish(root, [*rows, store_result(root, "c", f"c{turn}".encode())])
    add_pin(root, "first", 1)


def update(root: Path) -> None:
    """Take in files and a result, some of them new, and publish them."""
    rows = upstream(root, {"a": b"new", "b": b"b", "d": b"d"})
    publish(root, [*rows, store_result(root, "c", b"new c")])


def hint(root: Path) -> None:
    """Remember what an event named, and use it."""
    hints.remove_events([hints.add_events(root, [Scope(program=1345)])])


def lay_down(root: Path) -> None:
    """Put files that a user has beside the mirror."""
    (root.parent / "mine").mkdir()
    for name, data in FOUND.items():
        (root.parent / "mine" / name).write_bytes(data)


def take_over(root: Path) -> AdoptionReport:
    """Adopt them, as the command does."""
    wanted = {name: product(name, data) for name, data in FOUND.items()}
    held = {version.product.filename for version in fetched_versions(root)}
    with (
        as_store_error("adopt", "what has no receipt is not adopted"),
        staging_folder(Objects(root).incoming, (), wanted.values()) as into,
    ):
        mine = root.parent / "mine"
        return adopt(root, mine, wanted, held, version, lambda path, name: None, into)


def version(product: Product, path: Path, sha256: str, size: int) -> Version:
    """What is told of a file that was taken in."""
    return Version(product=product, sha256=sha256, size=size)


def bag(root: Path) -> None:
    """Freeze the newest generation, unless that was done."""
    if not (root.parent / "bag").exists():
        freeze(root, 4, root.parent / "bag")


def copy_out(root: Path) -> None:
    """Copy the first generation out, unless that was done."""
    if not (root.parent / "copy").exists():
        check_out(root, 1, root.parent / "copy", COPY)


def damage(root: Path) -> None:
    """Objects are missing or decayed, a record, a row and a pointer, and a stranger came."""
    rows = {row.filename: row.sha256 for row in Generations(root).entries()}
    older = {row.filename: row.sha256 for row in Generations(root).read(1).entries()}
    for sha256 in (rows["a"], rows["b"], rows["c"], older["a"]):
        Objects(root).path(sha256).chmod(0o644)
        Objects(root).path(sha256).write_bytes(b"?" * 2)
    Objects(root).path(rows["b"]).unlink()
    next(iter((root / "provenance").glob("*.json"))).write_text("{")
    (root / "views/000004/upstream/jw01345/o001/b").unlink()
    (root / "views/000004/stranger").write_text("mine")
    (root / "CURRENT").unlink()


def mend(root: Path) -> RepairReport:
    """Repair; MAST has all but the oldest `a` unchanged."""
    return repair(root, full=True, refetch=lambda products: arrivals(root, products))


def arrivals(root: Path, products: Sequence[Product]) -> Iterator[tuple[Version, Path]]:
    """What MAST gives for products."""
    for number, each in enumerate(products):
        data = {"a": b"3", "b": b"b"}[each.filename]
        path = Objects(root).incoming / f"again.{number}"
        path.write_bytes(data)
        yield version(each, path, hashlib.sha256(data).hexdigest(), len(data)), path


def invalidate(root: Path) -> None:
    """Mark the results of the newest generation."""
    Provenance(root).invalidate(keys_of_results(root), "a bad flat")


def accept(root: Path) -> None:
    """Accept the results of the newest generation, with the same words each time."""
    for key in keys_of_results(root):
        keep_acceptance(
            root,
            Acceptance(
                key=key,
                recipe="deep",
                product="c",
                pipeline="image2",
                caveats=(),
                because="looked at",
                who="mill",
                accepted_at="2026",
            ),
        )


def find_unchanged(root: Path) -> None:
    """Leave the records of a run that found what another run had found."""
    for run in RUNS:
        write(RunFiles(root / "receipts" / "runs" / run).poll, Poll(listings=(), changes=()))
    write(RunFiles(root / "receipts" / "runs" / RUNS[1]).unchanged, RUNS[0])


def merge(root: Path) -> None:
    """Delete its records, as a run does."""
    with as_store_error("merge", "the next run does it"):
        merge_unchanged(root, RUNS[1])


def keys_of_results(root: Path) -> list[str]:
    """The keys of the results of the newest generation."""
    return sorted({row.key for row in Generations(root).entries() if row.key})


COMMANDS = {
    "update": Command(update),
    "pin": Command(lambda root: add_pin(root, "paper", 4)),
    "unpin": Command(lambda root: find_pin(root, "first") and remove_pin(root, "first")),
    "rollback": Command(lambda root: roll_back(root, 2)),
    "hold": Command(lambda root: roll_back(root, 2, hold=HOLD)),
    "release": Command(release, lambda root: roll_back(root, 2, hold=HOLD)),
    "update while held": Command(update, lambda root: roll_back(root, 4, hold=HOLD)),
    "prune": Command(lambda root: prune(root, RetentionPolicy(keep_last=2))),
    "hint": Command(hint),
    "adopt": Command(take_over, lay_down),
    "freeze": Command(bag),
    "checkout": Command(copy_out),
    "invalidate": Command(invalidate),
    "accept": Command(accept),
    "repair": Command(mend, damage),
    "merge": Command(merge, find_unchanged),
    "repair current": Command(mend, lambda root: (root / "current").unlink()),
}


@dataclass(frozen=True)
class Undisturbed:
    """A command as it goes when nothing disturbs it."""

    place: Path  # holds the mirror before it, to be copied
    before: Facts
    after: Facts
    passed: frozenset[str]  # the failpoints on its way


def undisturbed(command: Command, first: Path, folder: Path) -> Undisturbed:
    """Do a command once, in `folder`, on a copy of the mirror `first`."""
    place, trial = folder / "before", folder / "after"
    shutil.copytree(first, place / "mirror", symlinks=True)
    command.prepare(place / "mirror")
    before = facts(place / "mirror")
    shutil.copytree(place, trial, symlinks=True)
    child, told = in_child(lambda tell: _traced(command.do, trial / "mirror", tell))
    with open(told) as lines:
        passed = frozenset(line.rpartition(" ")[0] for line in lines.read().splitlines())
    assert buried(child) == 0
    return Undisturbed(place, before, facts(trial / "mirror"), passed)


def _traced(do: Callable[[Path], object], root: Path, tell: Callable[[str, int], None]) -> None:
    """A command that tells of every failpoint it passes."""
    for name, module in list(sys.modules.items()):
        if name.startswith("jwmirror.") and hasattr(module, "failpoint"):
            module.failpoint = lambda name, path=None: tell(name, 0)
    do(root)


def facts(root: Path) -> Facts:
    """What there is; AssertionError if a generation does not read back."""
    current = Generations(root).current()
    states = {each.number: state_of(root, each.number) for each in Generations(root).unpruned()}
    needed = scan_mirror(root).named()
    missing = {sha256 for sha256, size in needed.items() if not Objects(root).has(sha256, size)}
    outside = {
        name: tree(root.parent / name) for name in ("bag", "copy") if (root.parent / name).exists()
    }
    return Facts(
        current=current.number if current else None,
        states=states,
        broken=frozenset({*missing, *wrong_objects(root)}),
        is_right=not verify(root, full=True).problems,
        outside=outside,
        names=frozenset(names(root)),
    )


def tree(folder: Path) -> dict[str, str]:
    """The data in a folder that was written out; of a bag, when bagit found it valid."""
    if (folder / "bagit.txt").exists():
        bagit.Bag(str(folder)).validate()
        folder = folder / "data"
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}


def names(root: Path) -> Iterator[str]:
    """The files of a mirror and beside it, but for what is being written."""
    for path in root.parent.rglob("*"):
        parts = path.relative_to(root.parent).parts
        is_hidden = parts[-1].startswith(".")
        if not path.is_dir() and not is_hidden and not set(OWN) & set(parts):
            yield "/".join(parts)


def judge(root: Path, before: Facts, after: Facts) -> None:
    """AssertionError unless a command that was stopped left what was before, or comes after."""
    now = facts(root)
    assert now.current in (before.current, after.current)
    assert before.states.keys() & after.states.keys() <= now.states.keys()
    for number, state in now.states.items():
        assert state in (before.states.get(number), after.states.get(number))
    assert now.broken <= before.broken
    assert {name: found for name, found in after.outside.items() if name in now.outside} == (
        now.outside
    )
    if before.is_right:
        assert shown(root) in (before.states[before.current], after.states[after.current])
        assert {each.generation for each in read_pins(root)} <= now.states.keys()
