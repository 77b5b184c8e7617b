"""Generations: each published state of the mirror, numbered, immutable, chained to its parent.

Write order: objects durable, then the generation, then its view, then CURRENT, then `current`.
Readers use the opposite order, so they find one whole generation wherever the writer stops.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jwmirror.core import jsonio
from jwmirror.core.errors import ClosedError, StoreError, as_typed, command_to_run
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import (
    as_store_error,
    replace_symlink,
    restrict,
    sha256_of,
    sync_path,
    write_bytes,
)
from jwmirror.core.mirror import GENERATION
from jwmirror.core.model import Entry
from jwmirror.core.model.stored import ADDED, Generation, Setup
from jwmirror.store import manifest
from jwmirror.store.access import COLUMNS, Access, Content, has_access_changed, row_contents
from jwmirror.store.losses import read_losses
from jwmirror.store.maintenance.retention import (
    HEAD,
    MANIFEST,
    PRUNED,
    SETUP,
    SETUP_SHA256,
    read_tombstone,
)
from jwmirror.store.manifest import Entries, entries_of
from jwmirror.store.objects import CLOSED, SHARED, Objects
from jwmirror.store.pins import pinned_generations, read_hold
from jwmirror.store.rows.description import Explain, describe_generation
from jwmirror.store.view import SpareView, build_view, remove_numbered, remove_views, view_folder

Describe = Callable[[Entries, Entries], Generation]  # of the rows before, and now


@dataclass(frozen=True, kw_only=True)
class StoredGeneration(Generation):
    """A generation and where it is on disk."""

    folder: Path

    @property
    def is_pruned(self) -> bool:
        """True if its rows were removed, so that only its record is left."""
        return (self.folder / PRUNED).exists()

    def entries(self) -> Entries:
        """Return its rows. StoreError if it was pruned, or its manifest is not as published."""
        return manifest.read_manifest(self._checked_manifest())

    def columns(self, *names: str) -> Entries:
        """Return some columns of its rows, many times faster than all. StoreError as `entries`."""
        return manifest.read_columns(self._checked_manifest(), names, self.entries)

    def setup(self) -> Setup | None:
        """Return the config and the versions of its publication; None if they are not recorded.

        Raises:
            StoreError: the file is not as published.
        """
        expected = self.facts.get(SETUP_SHA256)
        if expected is None:
            return None
        path = self.folder / SETUP
        found = sha256_of(path) if path.is_file() else "no file"
        if found != expected:
            raise StoreError(
                f"sha256 of {path}: expected {expected}, got {found}; restore it from a copy of "
                "the mirror."
            )
        return jsonio.read(path, Setup, "restore it from a copy of the mirror")

    def _checked_manifest(self) -> Path:
        if self.is_pruned:
            raise StoreError(
                f"mirror {self.folder.parents[1].absolute()}: generation {self.number} was pruned: "
                "its files are no longer known; choose one that "
                f"{as_typed('log')} does not mark as pruned."
            )
        path = self.folder / MANIFEST
        try:
            found = sha256_of(path) if path.is_file() else "no file"
        except PermissionError as err:
            raise ClosedError(path) from err
        if found != self.manifest_sha256:
            raise StoreError(
                f"sha256 of {path.absolute()}: expected {self.manifest_sha256}, got {found}; "
                "restore it from a copy of the mirror, or write the number of another generation "
                "in CURRENT."
            )
        return path


class Generations:
    """The generations of one mirror; one process may publish at a time, any number may read."""

    def __init__(self, root: Path, group: str | None = None):
        self.root = Path(root)
        self.folder = self.root / "generations"
        self.pointer = self.root / "CURRENT"
        self.objects = Objects(root, group)

    def current(self) -> StoredGeneration | None:
        """Return the generation that CURRENT names; None before the first publication."""
        try:
            text = self.pointer.read_text(errors="backslashreplace").strip()
        except FileNotFoundError:
            return None
        number = int(text) if text.isascii() and text.isdigit() else 0
        if not (self.folder / f"{number:06d}" / HEAD).exists():
            raise StoreError(
                f"{self.pointer.absolute()}: expected the number of a generation, found {text!r}; "
                f"write one of those in {self.folder.absolute()} into it."
            )
        return self.read(number)

    def require_current(self) -> StoredGeneration:
        """Return the current generation. StoreError before the first publication."""
        generation = self.current()
        if generation is None:
            raise StoreError(
                f"{self.root.resolve()} holds no mirror yet; {command_to_run()} makes and fills it."
            )
        return generation

    def read(self, number: int) -> StoredGeneration:
        """Return a generation. StoreError if it does not exist or cannot be read."""
        folder = self.folder / f"{number:06d}"
        try:
            step = "restore it from a copy of the mirror"
            head = jsonio.read(folder / HEAD, Generation, step)
        except FileNotFoundError as err:
            why = f"there is no generation {number}; {as_typed('log')} lists the generations"
            raise StoreError(f"mirror {self.root.absolute()}: {why}.") from err
        return StoredGeneration(**vars(head), folder=folder)

    def read_unpruned(self, number: int) -> StoredGeneration:
        """Return a generation. StoreError if it does not exist or was pruned."""
        generation = self.read(number)
        if generation.is_pruned:
            generation.entries()  # which raises
        return generation

    def entries(self) -> Entries:
        """Return the rows of the current generation; none before the first publication."""
        current = self.current()
        return current.entries() if current else entries_of(())

    def all(self) -> tuple[StoredGeneration, ...]:
        """Return all generations, oldest first; of pruned ones only the records exist."""
        return tuple(self.read(number) for number in self.numbers())

    def unpruned(self) -> tuple[StoredGeneration, ...]:
        """Return all generations that have their rows, oldest first."""
        return tuple(generation for generation in self.all() if not generation.is_pruned)

    def numbers(self) -> list[int]:
        """Return the numbers of all generations, the pruned ones included, in order."""
        if not self.folder.is_dir():
            return []
        names = (path.name for path in self.folder.iterdir())
        return sorted({int(name) for name in names if GENERATION.fullmatch(name)})

    def publish(
        self,
        entries: Iterable[Entry],
        cause: str,
        facts: dict[str, str],
        check: Callable[[], None] = lambda: None,
        setup: Setup | None = None,
        explain: Explain = lambda before, rows, differing: (),
    ) -> StoredGeneration | None:
        """Make `entries` the current state, durably; return None if they are it already.

        While the view is held, they do not become current. `explain` returns why they differ from
        those before; without a `cause`, that is recorded in words, too. After a crash, call it
        again. `check` is called just before the new state becomes current, and may raise.

        Raises:
            StoreError: an object is missing or short, or another process has published since. The
                state before stays current.
        """
        with as_store_error("publication", "a complete state is still published"):
            describe = partial(describe_generation, cause, facts, explain)
            return self._published(entries_of(entries), describe, check, setup)

    def _published(
        self, rows: Entries, describe: Describe, check: Callable[[], None], setup: Setup | None
    ) -> StoredGeneration | None:
        last = max(self.numbers(), default=0)
        current = self.current()
        before = current.entries() if current else entries_of(())
        if current and rows == before:
            self.access(rows).enforce(rows)  # for another group, or as an older version left it
            self.repair_pointers()
            return None
        access = self.access(rows)
        self._set_access(access, rows, before)
        generation = self._left_unpublished(last, current, rows)
        if generation is None:
            head = replace(describe(before, rows), number=last + 1)
            head.counts[ADDED] = self._added(last, current, before, rows)
            if current:
                sha256 = sha256_of(current.folder / HEAD)
                head = replace(head, parent=current.number, parent_sha256=sha256)
            is_closed = access.names_closed_measurements(row_contents(rows))
            generation = self._written(head, rows, setup, is_closed)
        if read_hold(self.root) is None:  # else steps 4 to 6 wait for `jwmirror release`
            needed = {generation.number} | ({current.number} if current else set())
            self.make_current(generation, rows, self.spare_view(needed), check)
            self.remove_views(needed)
        failpoint("publish: older views removed")
        remove_numbered(self.folder, {f"{number:06d}" for number in self.numbers()})
        failpoint("publish: leftovers removed")
        return generation

    def _left_unpublished(
        self, last: int, current: StoredGeneration | None, rows: Entries
    ) -> StoredGeneration | None:
        """Return the newest generation if it has these rows and was made from the current one.

        It is not current because of a crash, or of a rollback.
        """
        if last == (current.number if current else 0):
            return None
        newest = self.read(last)
        follows = newest.parent == (current.number if current else None) and not newest.is_pruned
        return newest if follows and newest.entries() == rows else None

    def _added(
        self, last: int, current: StoredGeneration | None, before: Entries, rows: Entries
    ) -> int:
        """Return the bytes of objects that neither the rows before nor the newest generation have.

        These differ after a rollback, and while the view is held.
        """
        known = {*before.column("sha256")}
        if current and last != current.number:
            with suppress(StoreError):  # it was pruned, or is damaged
                known.update(self.read(last).columns("sha256").column("sha256"))
        sizes = zip(rows.column("sha256"), rows.column("size"), strict=True)
        return sum(size for sha256, size in dict(sizes).items() if sha256 not in known)

    def _written(
        self, head: Generation, rows: Entries, setup: Setup | None, is_closed: bool
    ) -> StoredGeneration:
        """Build a generation under a temporary name, make it durable, and rename it.

        Its manifest `is_closed` if it names numbers that were measured on exclusive data.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = self.folder / f"{head.number:06d}"
        temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=f".{folder.name}."))
        try:
            manifest.write_manifest(temporary / MANIFEST, rows)
            if is_closed:
                restrict(temporary / MANIFEST, self.objects.group)
            failpoint("publish: manifest written", temporary / MANIFEST)
            complete = replace(head, manifest_sha256=sha256_of(temporary / MANIFEST))
            if setup is not None:
                jsonio.write(temporary / SETUP, setup)
                (temporary / SETUP).chmod(0o444)
                facts = {**head.facts, SETUP_SHA256: sha256_of(temporary / SETUP)}
                complete = replace(complete, facts=facts)
            jsonio.write(temporary / HEAD, complete)
            failpoint("publish: record written", temporary / HEAD)
            (temporary / HEAD).chmod(0o444)
            temporary.chmod(0o755)
            failpoint("publish: generation built")
            os.rename(temporary, folder)
        except OSError as err:
            if folder.is_dir():
                raise StoreError(
                    f"generation {folder.name}: another process published it meanwhile; nothing "
                    "was overwritten; run again, based on it."
                ) from err
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        failpoint("publish: generation named")
        sync_path(self.folder)
        sync_path(self.root)
        failpoint("publish: generation durable")
        return self.read(head.number)

    def check_objects(self, rows: Entries) -> dict[str, int]:
        """Return the modes of the rows' objects by sha256; of those recorded as lost, none.

        Raises:
            StoreError: an object is missing or short.
        """
        modes, missing = {}, []
        columns = (rows.column(name) for name in ("path", "sha256", "size"))
        for path, sha256, size in zip(*columns, strict=True):
            status = self.objects.status(sha256)
            if status is None or status.st_size != size:
                missing.append((path, sha256, size))
            else:
                modes[sha256] = stat.S_IMODE(status.st_mode)
        known = read_losses(self.root) if missing else {}
        missing = [row for row in missing if row[1] not in known]
        if missing:
            path, sha256, size = missing[0]
            raise StoreError(
                f"{len(missing)} of {len(rows)} stored files are missing or short, such as "
                f"{self.objects.path(sha256)} ({size} bytes) for {path}; nothing was published; "
                f"use {as_typed('verify --repair')}, or restore them from a copy of the mirror."
            )
        return modes

    def _set_access(self, access: Access, rows: Entries, before: Entries) -> None:
        """Set who may read the objects. StoreError unless each is there in full length."""
        modes = self.check_objects(rows)
        closed = access.enforce(rows, everywhere=has_access_changed(before, rows))
        for sha256, mode in modes.items():
            if mode in (CLOSED, SHARED) and sha256 not in closed:
                self.objects.open_to_all(sha256)
        failpoint("publish: modes set")

    def access(self, newest: Entries | None = None) -> Access:
        """Return the access to the objects by the newest generation, or by newer rows."""
        if newest is not None:
            contents = row_contents(newest)
        else:
            whole = (rows for number, rows in self._history() if not self.read(number).is_pruned)
            contents = next(whole, [])
        return Access(self.root, contents, self._history, self.objects.group)

    def access_beside(self, number: int, rows: Entries) -> Access:
        """Return the access by the newest generation; the `rows` of one are not read again."""
        return self.access(rows if number == max(self.numbers(), default=0) else None)

    def _history(self) -> Iterator[tuple[int, list[Content]]]:
        """Yield what access depends on of all generations that can be read, newest first."""
        for number in reversed(self.numbers()):
            with suppress(StoreError):  # a damaged one, which `verify` reports, or a closed one
                generation = self.read(number)
                if generation.is_pruned:
                    kept = read_tombstone(generation.folder).kept
                    yield number, [Content(each.sha256, "", each.uri, None, "") for each in kept]
                else:
                    yield number, row_contents(generation.columns(*COLUMNS))

    def make_current(
        self,
        generation: StoredGeneration,
        rows: Entries,
        spare: SpareView | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Build the view, call `check`, write CURRENT, and then point `current` at the view."""
        build_view(self.root, generation.number, rows, spare)
        failpoint("publish: view built")
        check()
        write_bytes(self.pointer, f"{generation.number}\n".encode())
        failpoint("publish: CURRENT replaced")
        replace_symlink(self.root / "current", f"views/{generation.number:06d}")
        failpoint("publish: current replaced")

    def repair_pointers(self) -> None:
        """Rebuild the current generation's view if it is missing, and point `current` at it."""
        generation = self.current()
        if generation is None:
            return
        if not view_folder(self.root, generation.number).is_dir():
            build_view(self.root, generation.number, generation.entries())
        link = self.root / "current"
        if not link.is_symlink() or os.readlink(link) != f"views/{generation.number:06d}":
            replace_symlink(link, f"views/{generation.number:06d}")
            failpoint("pointers: current replaced")

    def spare_view(self, needed: set[int]) -> SpareView | None:
        """Return a view that is neither needed nor of a pinned or damaged generation, if any."""
        needed = needed | pinned_generations(self.root).keys()
        for number in reversed(self.numbers()):
            if number not in needed and view_folder(self.root, number).is_dir():
                with suppress(StoreError):
                    return SpareView(number, self.read(number).columns("path", "sha256"))
        return None

    def remove_views(self, keep: set[int]) -> None:
        """Remove all views except those to keep and those of pinned generations."""
        remove_views(self.root, keep | pinned_generations(self.root).keys())
