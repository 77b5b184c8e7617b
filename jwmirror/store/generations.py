"""Generations: each published state of the mirror, numbered, immutable, chained to its parent.

Write order: objects durable, then the generation, then its view, then CURRENT, then `current`.
A reader goes the other way, so it finds one whole generation whenever the writer stops.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from jwmirror.core import model
from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, replace_symlink, sha256_of, sync_folder, write_bytes
from jwmirror.core.model import Entry
from jwmirror.core.model.comparison import describe_changes
from jwmirror.store.access import COLUMNS, Access, Content, has_access_changed, row_contents
from jwmirror.store.losses import current_losses, read_losses
from jwmirror.store.maintenance.retention import HEAD, MANIFEST, PRUNED, read_tombstone
from jwmirror.store.manifest import (
    Entries,
    entries_of,
    read_columns,
    read_manifest,
    write_manifest,
)
from jwmirror.store.objects import CLOSED, SHARED, Objects
from jwmirror.store.pins import pinned_generations
from jwmirror.store.view import SpareView, build_view, remove_numbered, remove_views, view_folder


@dataclass(frozen=True, kw_only=True)
class StoredGeneration(model.Generation):
    """A generation and where it is on disk."""

    folder: Path

    @property
    def is_pruned(self) -> bool:
        """Whether its rows were given up, and its record alone stays."""
        return (self.folder / PRUNED).exists()

    def entries(self) -> Entries:
        """Its rows; StoreError if it was pruned, or the manifest is not the published one."""
        return read_manifest(self._checked_manifest())

    def columns(self, *names: str) -> Entries:
        """Some columns of its rows, many times faster than all; StoreError as for `entries`."""
        return read_columns(self._checked_manifest(), names)

    def _checked_manifest(self) -> Path:
        if self.is_pruned:
            raise StoreError(
                f"generation {self.number} was pruned; only its record {self.folder / HEAD} stays; "
                "`jwmirror log` lists the others."
            )
        manifest = self.folder / MANIFEST
        found = sha256_of(manifest) if manifest.is_file() else "no file"
        if found != self.manifest_sha256:
            raise StoreError(
                f"sha256 of {manifest}: expected {self.manifest_sha256}, got {found}; take it back "
                "from a copy of the mirror, or write the number of another generation in CURRENT."
            )
        return manifest


def report_page(root: Path, number: int) -> Path:
    """Return where the page of a generation is, or would be; its access is the generation's."""
    return Path(root) / "reports" / f"{number:06d}.html"


class Generations:
    """The generations of one mirror; one process may publish at a time, any number may read."""

    def __init__(self, root: Path, group: str | None = None):
        self.root = Path(root)
        self.folder = self.root / "generations"
        self.pointer = self.root / "CURRENT"
        self.objects = Objects(root, group)

    def current(self) -> StoredGeneration | None:
        """The generation that CURRENT names; None before the first one was published."""
        try:
            text = self.pointer.read_text().strip()
        except FileNotFoundError:
            return None
        if not text.isdigit():
            raise StoreError(
                f"{self.pointer}: expected the number of a generation, found {text!r}; write one "
                f"of those in {self.folder} there."
            )
        return self.read(int(text))

    def read(self, number: int) -> StoredGeneration:
        """The generation of that number; StoreError if there is none, or it cannot be read."""
        folder = self.folder / f"{number:06d}"
        try:
            head = model.read(folder / HEAD, model.Generation)
        except FileNotFoundError as err:
            why = f"there is no {folder / HEAD}; `jwmirror log` lists those that there are"
            raise StoreError(f"generation {number}: {why}.") from err
        except msgspec.DecodeError as err:
            raise StoreError(f"generation {number}: {folder / HEAD} is damaged ({err}).") from err
        return StoredGeneration(**vars(head), folder=folder)

    def needed_current(self) -> StoredGeneration:
        """The current generation; StoreError before the first one was published."""
        found = self.current()
        if found is None:
            raise StoreError(f"{self.root}: no generation is published yet; run `snakemake` first.")
        return found

    def whole(self, number: int) -> StoredGeneration:
        """The generation of that number; StoreError if there is none, or it was pruned."""
        found = self.read(number)
        if found.is_pruned:
            found.entries()
        return found

    def entries(self) -> Entries:
        """The rows of the current generation; none before the first one was published."""
        current = self.current()
        return current.entries() if current else entries_of(())

    def all(self) -> tuple[StoredGeneration, ...]:
        """Every generation on disk, oldest first; of those that were pruned the records."""
        return tuple(self.read(number) for number in self._numbers())

    def unpruned(self) -> tuple[StoredGeneration, ...]:
        """Every generation whose rows can be had, oldest first."""
        return tuple(each for each in self.all() if not each.is_pruned)

    def publish(
        self,
        entries: Iterable[Entry],
        cause: str,
        facts: dict[str, str],
        check: Callable[[], None] = lambda: None,
    ) -> StoredGeneration | None:
        """Make `entries` the current state, durably; None if they are the current state already.

        Without a `cause`, the changes of the files are recorded as the cause.

        StoreError, and the former state stays, if an object is missing or short, or if another
        process published meanwhile. After a crash anywhere, publishing again completes it. `check`
        is called just before the new state becomes the current one, to raise if it must not.
        """
        with as_store_error("publication", "a whole state stays published"):
            return self._published(entries_of(entries), cause, facts, check)

    def _published(
        self, rows: Entries, cause: str, facts: dict[str, str], check: Callable[[], None]
    ) -> StoredGeneration | None:
        from jwmirror.store.manifest import change_counts, file_changes  # readers start without it

        last = max(self._numbers(), default=0)
        current = self.current()
        before = current.entries() if current else entries_of(())
        if current and rows == before:
            self._close(self.access(rows), rows)
            self.repair_pointers()
            return None
        self._set_access(rows, before)
        generation = self._left_unpublished(last, current, rows)
        if generation is None:
            counts = {"files": len(rows), "bytes": sum(rows.column("size"))}
            counts |= change_counts(before, rows)
            if not cause:
                cause = describe_changes(file_changes(before, rows), set(rows.column("origin")))
            head = _head(last + 1, current, counts, cause, facts)
            generation = self._written(head, rows)
        needed = {generation.number} | ({current.number} if current else set())
        self.point_at(generation, rows, self.spare_view(needed), check)
        self.remove_views(needed)
        failpoint("publish: older views removed")
        remove_numbered(self.folder, {f"{number:06d}" for number in self._numbers()})
        failpoint("publish: leftovers removed")
        return generation

    def check_objects(self, rows: Entries) -> dict[str, int]:
        """StoreError unless every object of the rows is there in full length, or known as lost.

        The modes of those that are there, by sha256.
        """
        modes, missing = {}, []
        columns = (rows.column(name) for name in ("path", "sha256", "size"))
        for path, sha256, size in zip(*columns, strict=True):
            found = self.objects.look(sha256)
            if found is None or found.st_size != size:
                missing.append((path, sha256, size))
            else:
                modes[sha256] = stat.S_IMODE(found.st_mode)
        known = read_losses(self.root) if missing else {}
        missing = [row for row in missing if row[1] not in known]
        if missing:
            path, sha256, size = missing[0]
            raise StoreError(
                f"{len(missing)} of {len(rows)} objects are missing or short, such as "
                f"{self.objects.path(sha256)} ({size} bytes) for {path}; nothing was published; "
                "see `jwmirror verify --repair`, or take them back from a copy of the mirror."
            )
        return modes

    def remove_views(self, keep: set[int]) -> None:
        """Remove the views but for those to keep and those of pinned generations."""
        remove_views(self.root, keep | pinned_generations(self.root).keys())

    def spare_view(self, needed: set[int]) -> SpareView | None:
        """A view that is neither one of the needed ones nor a pinned generation's, if any stands.

        A damaged generation has none to spare.
        """
        needed = needed | pinned_generations(self.root).keys()
        for number in reversed(self._numbers()):
            if number not in needed and view_folder(self.root, number).is_dir():
                with suppress(StoreError):
                    return SpareView(number, self.read(number).columns("path", "sha256"))
        return None

    def repair_pointers(self) -> None:
        """Make the view of CURRENT's generation stand, and `current` point at it."""
        generation = self.current()
        if generation is None:
            return
        if not view_folder(self.root, generation.number).is_dir():
            build_view(self.root, generation.number, generation.entries())
        link = self.root / "current"
        if not link.is_symlink() or os.readlink(link) != f"views/{generation.number:06d}":
            replace_symlink(link, f"views/{generation.number:06d}")
            failpoint("pointers: current replaced")

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        names = [found.name for found in self.folder.iterdir()]
        return sorted(int(name) for name in names if name.isdigit())

    def access(self, newest: Entries | None = None) -> Access:
        """Return the access to the objects, by the newest generation unless by newer rows."""
        if newest is not None:
            return Access(self.root, row_contents(newest), self._history)
        return Access(self.root, next(self._history(with_pruned=False), []), self._history)

    def close_objects(self, rows: Entries) -> None:
        """Close those objects of the rows that other users must not read, and still can."""
        self.objects.close(self.access().closed(rows))

    def _history(self, with_pruned: bool = True) -> Iterator[list[Content]]:
        """What access depends on of all generations that can be read, newest first."""
        for number in reversed(self._numbers()):
            with suppress(StoreError):  # a damaged one; `verify` reports it
                generation = self.read(number)
                if not generation.is_pruned:
                    yield row_contents(generation.columns(*COLUMNS))
                elif with_pruned:
                    kept = read_tombstone(generation.folder).kept
                    yield [Content(version.sha256, uri=version.uri) for version in kept]

    def _set_access(self, rows: Entries, before: Entries) -> None:
        """StoreError unless every object is there in full length; then set who may read it."""
        modes, access = self.check_objects(rows), self.access(rows)
        closed = self._close(access, rows)
        if has_access_changed(before, rows):
            closed = self._close_everywhere(access, closed)
        for sha256, mode in modes.items():
            if mode in (CLOSED, SHARED) and sha256 not in closed:
                self.objects.release(sha256)
        failpoint("publish: modes set")

    def _close(self, access: Access, rows: Entries) -> set[str]:
        """Close the objects of the rows that other users must not read; return their sha256."""
        closed = access.closed(rows) - current_losses(self.root).keys()
        was_open = self.objects.close(closed)
        for sha256 in closed:  # to another group, if the config changed
            self.objects.restrict(sha256)
        return self._close_everywhere(access, closed) if was_open else closed

    def _close_everywhere(self, access: Access, closed: set[str]) -> set[str]:
        """Close what other users must not read of all generations and their pages as well.

        Return the sha256 of all closed objects. What is open now, of older generations, opens.
        """
        public: set[str] = set()
        for number in self._numbers():
            with suppress(StoreError):  # a pruned one, or a damaged one
                rows = self.read(number).columns(*COLUMNS)
                hidden = access.closed(rows)
                closed |= hidden
                public.update(rows.column("sha256"))
                page = report_page(self.root, number)
                with suppress(FileNotFoundError):
                    page.chmod(0o600 if hidden else 0o644)
        self.objects.close(closed)
        for sha256 in public - closed:
            if self.objects.look(sha256):
                self.objects.release(sha256)
        return closed

    def _left_unpublished(
        self, last: int, current: StoredGeneration | None, rows: Entries
    ) -> StoredGeneration | None:
        """The newest generation, if it is just this state, made from the current one.

        A crash kept it from becoming current, or a rollback went back from it.
        """
        if last == (current.number if current else 0):
            return None
        newest = self.read(last)
        follows = newest.parent == (current.number if current else None) and not newest.is_pruned
        return newest if follows and newest.entries() == rows else None

    def _written(self, head: model.Generation, rows: Entries) -> StoredGeneration:
        """The generation on disk: built under a temporary name, made durable, renamed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{head.number:06d}"
        temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=f".{place.name}."))
        try:
            temporary.chmod(0o755)
            write_manifest(temporary / MANIFEST, rows)
            failpoint("publish: manifest written", temporary / MANIFEST)
            sealed = replace(head, manifest_sha256=sha256_of(temporary / MANIFEST))
            model.write(temporary / HEAD, sealed)
            failpoint("publish: record written", temporary / HEAD)
            (temporary / HEAD).chmod(0o444)
            sync_folder(temporary)
            failpoint("publish: generation built")
            os.rename(temporary, place)
        except OSError as err:
            if place.is_dir():
                raise StoreError(_overtaken(place)) from err
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        failpoint("publish: generation named")
        sync_folder(self.folder)
        sync_folder(self.root)
        failpoint("publish: generation durable")
        return self.read(head.number)

    def point_at(
        self,
        generation: StoredGeneration,
        rows: Entries,
        spare: SpareView | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Build its view, then `check`, then let CURRENT name it, then let `current` follow."""
        build_view(self.root, generation.number, rows, spare)
        failpoint("publish: view built")
        check()
        write_bytes(self.pointer, f"{generation.number}\n".encode())
        failpoint("publish: CURRENT replaced")
        replace_symlink(self.root / "current", f"views/{generation.number:06d}")
        failpoint("publish: current replaced")


def _head(
    number: int,
    parent: StoredGeneration | None,
    counts: dict[str, int],
    cause: str,
    facts: dict[str, str],
) -> model.Generation:
    """What generation.json will say, but for the manifest's sha256."""
    return model.Generation(
        number=number,
        parent=parent.number if parent else None,
        parent_sha256=sha256_of(parent.folder / HEAD) if parent else "",
        manifest_sha256="",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        cause=cause,
        counts=counts,
        facts=facts,
    )


def _overtaken(place: Path) -> str:
    return (
        f"generation {place.name}: another process published it meanwhile; nothing was "
        "overwritten; run again, on top of it."
    )
