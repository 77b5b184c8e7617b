"""Checkouts: the view of any generation, in any folder, as links to the objects or as copies."""

import errno
import fcntl
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, locked, sync_many, sync_path
from jwmirror.core.model.maintenance import Checkout
from jwmirror.store.access import COLUMNS
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.losses import current_losses
from jwmirror.store.objects import SHARED, Objects

SYMLINK, HARDLINK, REFLINK, COPY = MODES = ("symlink", "hardlink", "reflink", "copy")
FICLONE = 0x40049409  # Linux: let a file share the blocks of another
STORE = ("objects", "generations", "views", "provenance", "pins", "locks", "losses", "current")
OWN = (*STORE, "receipts", "logs", "work", "quarantine", "reports")  # of a mirror's folders


def plan_checkout(root: Path, number: int, to: Path, mode: str) -> Checkout:
    """What a checkout gives; StoreError if the folder is in use, or an object is missing."""
    check_target(Path(root), Path(to))
    generation = Generations(root).read_unpruned(number)
    rows = generation.columns("path", "sha256", "size")
    Generations(root).check_objects(rows)
    gone = current_losses(Path(root))
    columns = (rows.column(name) for name in ("path", "sha256", "size"))
    there = [row for row in zip(*columns, strict=True) if row[1] not in gone]
    return Checkout(
        mirror=str(root),
        generation=number,
        made_at=generation.made_at,
        to=str(to),
        mode=mode,
        files=len(there),
        bytes=sum(size for _, _, size in there),
        lost=tuple(sorted(set(rows.column("path")) - {path for path, _, _ in there})),
    )


def check_out(root: Path, number: int, to: Path, mode: str = SYMLINK) -> Checkout:
    """Show a generation in the folder `to`, which appears whole, in one step.

    Links are relative where the folder is in the mirror, else absolute. Copies and reflinks can be
    written to by their owner; hard links are the objects themselves. What others may not read in
    the store, they may not read there. Files that are known as lost are left out, and told.
    """
    plan = plan_checkout(root, number, to, mode)
    rows, left_out = Generations(root).read(number).columns("path", *COLUMNS), set(plan.lost)
    Objects(root).close(
        Generations(root).access().closed(rows)
    )  # links and copies have their modes
    pairs = zip(rows.column("path"), rows.column("sha256"), strict=True)
    with as_store_error("checkout", f"{to} is whole, or not there"):
        with new_folder(Path(to)) as folder:
            fill = (pair for pair in pairs if pair[0] not in left_out)
            place_files(Path(root), fill, folder, Path(to), mode)
            failpoint("checkout: filled")
        failpoint("checkout: named")
    return plan


def check_target(root: Path, to: Path) -> None:
    """StoreError unless a folder is free to be written, and is not one of the store's own."""
    place, mirror = Path(os.path.realpath(to)), Path(os.path.realpath(root))
    inside = place.relative_to(mirror).parts if place.is_relative_to(mirror) else ("elsewhere",)
    if not inside or inside[0] in OWN:
        raise StoreError(f"{to}: belongs to the mirror itself; nothing was written; name another.")
    if os.path.lexists(to) and not (Path(to).is_dir() and not any(Path(to).iterdir())):
        raise StoreError(
            f"{to}: expected a folder that is not there yet or is empty, found something in it; "
            "nothing was written; name another."
        )


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """A fresh folder that takes its place, durable, in one rename; on an error nothing is left.

    What a killed process left of it goes the next time: it has no lock any more.
    """
    place = Path(os.path.abspath(to))
    place.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{place.name[:60]}.unfinished-"
    for left in place.parent.glob(f"{glob.escape(prefix)}*"):
        with locked(left) as is_dead:
            if is_dead:
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=place.parent, prefix=prefix))
    try:
        with locked(folder):
            folder.chmod(0o755)
            yield folder
            sync_many([Path(above) for above, _, _ in os.walk(folder)] + list(_files(folder)))
            os.rename(folder, place)
            sync_path(place.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder that are no links."""
    paths = (Path(above) / name for above, _, names in os.walk(folder) for name in names)
    return (path for path in paths if not path.is_symlink())


def place_files(
    root: Path, files: Iterable[tuple[str, str]], folder: Path, to: Path, mode: str
) -> None:
    """Put objects (path, sha256) below `folder`, which will be `to`; StoreError if it cannot be."""
    act, made = _act(Path(root), Path(os.path.abspath(to)), mode), set()
    for path, sha256 in files:
        parent = path.rpartition("/")[0]
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        try:
            act(path, Objects(root).path(sha256), folder / path)
        except OSError as err:
            raise _refused(mode, path, to, err) from err


def _act(root: Path, to: Path, mode: str) -> Callable[[str, Path, Path], None]:
    """How one object gets to its place."""
    if mode == SYMLINK:
        mirror = Path(os.path.abspath(root))
        objects = mirror / "objects"
        if to.is_relative_to(mirror):
            above = os.path.relpath(objects, to)
            return lambda path, found, place: place.symlink_to(
                f"{'../' * path.count('/')}{above}/{found.parent.name}/{found.name}"
            )
        return lambda path, found, place: place.symlink_to(objects / found.parent.name / found.name)
    if mode == HARDLINK:
        return lambda path, found, place: os.link(found, place)
    copied = _clone if mode == REFLINK else shutil.copyfile

    def copy(path: str, found: Path, place: Path) -> None:
        """Nobody may read the copy before it has the object's mode."""
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        copied(found, place)
        facts = found.stat()
        if stat.S_IMODE(facts.st_mode) == SHARED:
            os.chown(place, -1, facts.st_gid)
        place.chmod(stat.S_IMODE(facts.st_mode) | stat.S_IWUSR)

    return copy


def _clone(found: Path, place: Path) -> None:
    """Let a file share the blocks of another, until one of them is written to."""
    with open(found, "rb") as source, open(place, "wb") as target:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())


def _refused(mode: str, path: str, to: Path, err: OSError) -> StoreError:
    """What to do where the file system does not do what was asked."""
    cannot = err.errno in (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EPERM)
    step = f"it cannot have {mode}s of this mirror's files: use --mode copy" if cannot else ""
    gone = "its object is gone: was the generation pruned meanwhile?"
    step = step or (gone if isinstance(err, FileNotFoundError) else "make room, and try again")
    return StoreError(f"{path} in {to}: {err.strerror}; nothing was left there; {step}.")


# ---- as of a day -----------------------------------------------------------------------------


def moment_of(text: str) -> datetime:
    """The time that a day or time (ISO; UTC where it names no zone) means; a day means its end."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as err:
        raise StoreError(
            f"{text!r}: expected a day (2026-03-01) or a time (2026-03-01T12:30, UTC)."
        ) from err
    if len(text) <= len("2026-03-01"):
        found = datetime.combine(found.date(), time.max)
    return found.replace(tzinfo=found.tzinfo or UTC)


def generation_at(root: Path, when: datetime) -> StoredGeneration:
    """The state that was current then: the first that is old enough, from the current one back.

    The line of parents is followed, so what a rollback left behind is not found, and a clock that
    went wrong changes no order. StoreError if it was pruned, or nothing was published yet.
    """
    generations = Generations(root)
    found = generations.require_current()
    while datetime.fromisoformat(found.made_at) > when:
        if found.parent is None:
            raise StoreError(
                f"{root} as of {when.isoformat()}: nothing was published yet; its first generation "
                f"({found.number}) is of {found.made_at}."
            )
        found = generations.read(found.parent)
    return generations.read_unpruned(found.number)
