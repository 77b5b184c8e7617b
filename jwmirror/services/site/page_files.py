"""The files of a site: pages are written only if what they show has changed, the index last.

A file `.pages.json` in the folder of a site names its files, each with the digest of what it shows.
Only files that it names, and files in `pictures/`, are ever removed. If it is missing or
damaged, all files in the place of a page count as named: they may show what is exclusive now.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.files import (
    as_store_error,
    make_private,
    path_below,
    restrict,
    sync_many,
    write_bytes,
)
from jwmirror.core.jsonio import digest, read, write
from jwmirror.report.site.addresses import INDEX, PAGE_FOLDERS, PICTURES, SINGLE_PAGES
from jwmirror.report.site.rendering import render_page, templates_digest

RECORD = ".pages.json"


@dataclass(frozen=True, kw_only=True)
class SiteFolder:
    """The folder of a site, and who may read it."""

    path: Path
    is_public: bool
    has_other: bool  # the mirror has both sites
    group: str | None = None  # that may read exclusive data

    @property
    def mode(self) -> int:
        """The mode of its files."""
        return 0o644 if self.is_public else 0o600

    def prepare(self) -> None:
        """Make the folder; one with exclusive data is closed before anything is in it.

        Raises:
            StoreError: a link is in its place.
        """
        if self.path.is_symlink():
            raise StoreError(
                f"{self.path}: expected a folder, found a link; remove it, then run "
                "`jwmirror site`."
            )
        if self.is_public:
            self.path.mkdir(exist_ok=True)
        else:
            restrict(make_private(self.path), self.group)


def open_by_umask(path: Path) -> None:
    """Let those users read a folder or file of a public site whom the umask allows."""
    umask = os.umask(0o077)  # it can be read only by setting it: to the strictest, for a moment
    os.umask(umask)
    status = path.stat()
    mode, added = stat.S_IMODE(status.st_mode), 0o055 if stat.S_ISDIR(status.st_mode) else 0o044
    if (opened := mode | (added & ~umask)) != mode:
        path.chmod(opened)


@dataclass
class PageFiles:
    """The pages of one site: which exist, which are needed, and which must be written."""

    folder: SiteFolder
    _known: dict[str, str] = field(
        default_factory=dict
    )  # address -> digest, "" while it is written
    _needed: dict[str, str] = field(default_factory=dict)
    _waiting: dict[str, Callable[[], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        root = self.folder.path
        pictures = (path for path in (root / PICTURES).rglob("*") if path.is_file())
        try:
            named = read(root / RECORD, dict[str, str])
        except (FileNotFoundError, StoreError):  # all pages are written again
            pages = (path for folder in PAGE_FOLDERS for path in (root / folder).glob("*.html"))
            named = {str(path.relative_to(root)): "" for path in pages}
            named |= {address: "" for address in SINGLE_PAGES if (root / address).is_file()}
        self._known = {str(path.relative_to(root)): "" for path in pictures} | named

    def forget(self) -> None:
        """Durably forget what the pages show, so that all are written again."""
        self._known = dict.fromkeys(self._known, "")
        write(self.folder.path / RECORD, self._known, self.folder.mode)

    def is_current(self, address: str, what: object) -> bool:
        """Return whether a page shows `what`; then it is needed, and stays as it is."""
        shown = self._digest(what)
        if self._known.get(address) != shown or not (self.folder.path / address).is_file():
            return False
        self._needed[address] = shown
        return True

    def add(self, address: str, template: str, page: object, what: object = None) -> None:
        """Add a page; it is written if it does not show `what` (by default, the page) already."""
        folder = self.folder
        self.add_text(
            address,
            lambda: render_page(template, address, page, folder.is_public, folder.has_other),
            page if what is None else what,
        )

    def add_text(self, address: str, make: Callable[[], str], what: object) -> None:
        """Add a file that is not a page; `make` returns its text."""
        if not self.is_current(address, what):
            self._needed[address] = self._digest(what)
            self._waiting[address] = make

    def keep(self, address: str) -> None:
        """Keep a file that another module has written, such as a picture, if it exists."""
        path, folder = self.folder.path / address, self.folder
        if path.is_file():
            self._needed[address] = "kept"
            if folder.is_public:
                open_by_umask(path)
            elif folder.group:
                restrict(path.parent, folder.group)
                restrict(path, folder.group)

    def write(self) -> int:
        """Write the pages, the index last, and remove files that are not needed; return how many.

        A process that is killed leaves pages that link to each other, and the next one continues.
        """
        root = self.folder.path
        with as_store_error(f"site {root}", "the pages that exist stay"):
            marked = {address: "" for address in self._waiting}
            write(root / RECORD, {**self._known, **self._needed, **marked}, self.folder.mode)
            for address in sorted(self._waiting, key=lambda name: (name == INDEX, name)):
                self._write_one(address)
            sync_many([root / address for address in self._waiting])
            self._remove_others()
            write(root / RECORD, self._needed, self.folder.mode)
            if self.folder.is_public:
                for folder in {(root / address).parent for address in self._needed} - {root}:
                    open_by_umask(folder)
                open_by_umask(root)
        return len(self._waiting)

    def _write_one(self, address: str) -> None:
        path, folder = self.folder.path / address, self.folder
        path.parent.mkdir(exist_ok=True)
        content = self._waiting[address]().encode(errors="backslashreplace")
        write_bytes(path, content, folder.mode, is_durable=False)
        if folder.group and not folder.is_public:
            restrict(path, folder.group)

    def _remove_others(self) -> None:
        for address in self._known.keys() - self._needed.keys():
            path = path_below(self.folder.path, address, f"{self.folder.path / RECORD}")
            path.unlink(missing_ok=True)
            with suppress(OSError):  # other files are in it
                for folder in path.parents[: len(Path(address).parts) - 1]:
                    folder.rmdir()

    def _digest(self, what: object) -> str:
        folder = self.folder
        readers = () if folder.is_public or not folder.group else (folder.group,)
        return digest([templates_digest(), folder.is_public, folder.has_other, *readers, what])
