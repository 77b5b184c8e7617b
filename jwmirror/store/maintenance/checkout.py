"""Checkouts: the view of any generation, in any folder, as links to the objects or as copies."""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, open_regular
from jwmirror.core.folders import check_new, new_folder
from jwmirror.core.mirror import OWN
from jwmirror.core.model.maintenance import Checkout
from jwmirror.store.access import COLUMNS
from jwmirror.store.generations import Generations
from jwmirror.store.losses import current_losses
from jwmirror.store.objects import SHARED, Objects
from jwmirror.store.pins import CHECKOUT, add_pin, find_pin, remove_pin

SYMLINK, HARDLINK, REFLINK, COPY = MODES = ("symlink", "hardlink", "reflink", "copy")
FICLONE = 0x40049409  # Linux: let a file share the blocks of another


def check_out(
    root: Path, number: int, to: Path, mode: str = SYMLINK, dry_run: bool = False
) -> Checkout:
    """Show a generation in the folder `to`, which appears complete, in one step.

    Links are relative if the folder is in the mirror, else absolute. Symbolic links would dangle
    when the generation is pruned, so it gets a pin first. Someone who may not write to the mirror
    gets the links without a pin. The owner can write to copies
    and reflinks; hard links are the objects themselves. All have the access of the objects. Files
    that are lost are left out, and listed in the returned record. A dry run writes nothing.

    Raises:
        StoreError: the folder is in use, an object is missing, or the disk refused.
    """
    check_target(Path(root), Path(to))
    generations = Generations(root)
    generation = generations.read_unpruned(number)
    rows = generation.columns("path", "size", *COLUMNS)
    generations.check_objects(rows)
    lost = current_losses(Path(root))
    columns = (rows.column(name) for name in ("path", "sha256", "size"))
    present = [row for row in zip(*columns, strict=True) if row[1] not in lost]
    pin = _pin_name(Path(root), number, Path(to)) if mode == SYMLINK else ""
    if not dry_run:
        closed = generations.access().closed(rows)
        generations.objects.restrict_open(closed)  # links and copies have the objects' modes
        with _pinned(Path(root), pin, number, Path(to)):
            _write_folder(Path(root), [row[:2] for row in present], Path(to), mode)
    return Checkout(
        mirror=str(root),
        generation=number,
        made_at=generation.made_at,
        to=str(to),
        mode=mode,
        files=len(present),
        bytes=sum(size for _, _, size in present),
        lost=tuple(sorted(set(rows.column("path")) - {path for path, _, _ in present})),
        name=pin,
    )


def _pin_name(root: Path, number: int, to: Path) -> str:
    """Return the name of the pin for links in the folder `to`; "" if the mirror is read-only."""
    folder = root / "pins"
    if not os.access(folder if folder.is_dir() else root, os.W_OK):
        return ""
    of_folder = hashlib.sha256(os.fsencode(os.path.abspath(to))).hexdigest()[:8]
    return f"checkout-{number:06d}-{of_folder}"


@contextmanager
def _pinned(root: Path, name: str, number: int, to: Path) -> Iterator[None]:
    """Pin a generation while links to it are made, and after; not after an error."""
    is_new = name != "" and find_pin(root, name) is None
    if is_new:
        add_pin(root, name, number, CHECKOUT, str(os.path.abspath(to)))
    try:
        yield
    except BaseException:
        if is_new:
            remove_pin(root, name)
        raise


def _write_folder(root: Path, files: Iterable[tuple[str, str]], to: Path, mode: str) -> None:
    with as_store_error("checkout", f"{to} is whole, or not there"):
        with new_folder(to) as folder:
            place_files(root, files, folder, to, mode)
            failpoint("checkout: filled")
        failpoint("checkout: named")


def check_target(root: Path, to: Path) -> None:
    """StoreError if a folder is not empty, or belongs to the mirror."""
    place, mirror = Path(os.path.realpath(to)), Path(os.path.realpath(root))
    inside = place.relative_to(mirror).parts if place.is_relative_to(mirror) else ("elsewhere",)
    if not inside or inside[0] in OWN:
        why = "belongs to the mirror itself; nothing was written; name another"
        raise StoreError(f"{Path(to).absolute()}: {why}.")
    check_new(to)


def place_files(
    root: Path, files: Iterable[tuple[str, str]], folder: Path, to: Path, mode: str
) -> None:
    """Place objects, given as (path, sha256), below `folder`, which will be renamed to `to`.

    Raises:
        StoreError: the disk or the file system refused.
    """
    objects, parents = Objects(Path(os.path.abspath(root))), set[str]()
    place = _placer(objects.folder.parent, Path(os.path.abspath(to)), mode)
    for path, sha256 in files:
        parent = path.rpartition("/")[0]
        if parent not in parents:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            parents.add(parent)
        try:
            place(path, objects.path(sha256), folder / path)
        except OSError as err:
            raise _refused(mode, path, to, err) from err


def _placer(root: Path, to: Path, mode: str) -> Callable[[str, Path, Path], None]:
    """Return a function that places one object: (path in the view, object, new file)."""
    if mode == SYMLINK:
        if to.is_relative_to(root):
            return lambda path, source, file: file.symlink_to(
                os.path.relpath(source, (to / path).parent)
            )
        return lambda path, source, file: file.symlink_to(source)
    if mode == HARDLINK:
        return lambda path, source, file: os.link(source, file)
    copy_bytes: Callable[[Path, Path], object] = reflink if mode == REFLINK else shutil.copyfile

    def copy(path: str, source: Path, file: Path) -> None:
        """Copy an object; only the owner can read the copy before it has the object's mode."""
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        copy_bytes(source, file)
        status = source.stat()
        if stat.S_IMODE(status.st_mode) == SHARED:
            os.chown(file, -1, status.st_gid)
        file.chmod(stat.S_IMODE(status.st_mode) | stat.S_IWUSR)

    return copy


def reflink(source: Path, file: Path) -> None:
    """Write a file that shares the blocks of another, until one of them is written to."""
    with open_regular(source) as old, open(file, "wb") as new:
        fcntl.ioctl(new.fileno(), FICLONE, old.fileno())


def _refused(mode: str, path: str, to: Path, err: OSError) -> StoreError:
    """Return an error that names the next step."""
    cannot = err.errno in (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EPERM)
    step = f"it cannot have {mode}s of this mirror's files: use --mode copy" if cannot else ""
    gone = "its stored file is gone: was the generation pruned meanwhile?"
    step = step or (gone if isinstance(err, FileNotFoundError) else "make room, and try again")
    return StoreError(f"{path} in {to}: {err.strerror}; nothing was left there; {step}.")
