"""Access: which objects other users must not read, derived from the inputs of every result.

MAST says which products are exclusive. A result is as exclusive as its most exclusive input; its
provenance names the inputs by content, down to MAST's products. Paths and folders play no part.
Files of the user's own that parameters name (override files, hooks) carry no access. A result with
an input that cannot be traced to a product of MAST is closed; so is one with an own file among its
inputs, unless the newest rows have its content.

Files with numbers that were measured on closed data are closed, too: records of results, and the
manifest and the page of a generation.
"""

import logging
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.files import open_to_all, restrict
from jwmirror.core.jsonio import read
from jwmirror.core.model import Input, Version
from jwmirror.store.maintenance.retention import MANIFEST
from jwmirror.store.manifest import Entries
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance, acceptance_path

CLOSING = ("product_exclusive", "product_needs_token")  # one of them suffices
COLUMNS = ("sha256", "identity", "product_uri", *CLOSING, "key", "caveats")


class Content(msgspec.Struct, frozen=True, gc=False):
    """The part of a row that access depends on."""

    sha256: str
    identity: str
    uri: str | None  # of a product
    is_exclusive: bool | None  # of a product; None: unknown
    key: str  # of a result
    has_measurements: bool = False  # the row itself names numbers that were measured on the result


log = logging.getLogger(__name__)


def row_contents(rows: Entries) -> list[Content]:
    """Return what access depends on, row by row; of the columns, COLUMNS are needed."""
    columns = (rows.column(name) for name in COLUMNS)
    return [
        Content(sha256, identity, uri, needs_token or is_exclusive, key, bool(caveats))
        for sha256, identity, uri, is_exclusive, needs_token, key, caveats in zip(
            *columns, strict=True
        )
    ]


def has_access_changed(old: Entries, new: Entries) -> bool:
    """Return whether MAST released or closed a product that both states have."""
    before, after = set(_exclusive_uris(old)), set(_exclusive_uris(new))
    changed = before ^ after
    return bool(changed) and not changed.isdisjoint(
        set(old.column("product_uri")).intersection(new.column("product_uri"))
    )


def _exclusive_uris(rows: Entries) -> Iterable[str]:
    return (content.uri for content in row_contents(rows) if content.uri and content.is_exclusive)


def is_owner(root: Path) -> bool:
    """Return whether this user made the mirror, or is root, and so may read everything in it."""
    return os.geteuid() in (0, Path(root).stat().st_uid)


def may_be_read(root: Path) -> Callable[[str], bool]:
    """Return a test: whether this user may read an object, by its sha256.

    An answer to a question says nothing of a file that its reader may not read. The owner of the
    mirror may read all of them, those that are lost included.
    """
    if is_owner(root):
        return lambda sha256: True
    path = Objects(root).path
    return lambda sha256: os.access(path(sha256), os.R_OK)


def report_path(root: Path, number: int) -> Path:
    """Return the path of a generation's page; it is closed if an object of the generation is."""
    return Path(root) / "reports" / f"{number:06d}.html"


def public_site(root: Path) -> Path:
    """Return the folder of the pages that show public data only."""
    return Path(root) / "site"


def exclusive_site(root: Path) -> Path:
    """Return the folder of the pages that show everything; it is closed at every moment."""
    return Path(root) / "site-exclusive"


def manifest_path(root: Path, number: int) -> Path:
    """Return the path of a generation's manifest; closed if it has closed measurements."""
    return Path(root) / "generations" / f"{number:06d}" / MANIFEST


def _is_open(path: Path) -> bool:
    """Return whether all users may read a file; links are not followed."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)
    return False


class Access:
    """The access to the objects of one mirror, by the newest rows that are known.

    `history` returns the rows of all generations by number, newest first. It is called only if an
    input is not among the newest rows, because it takes long.
    """

    def __init__(
        self,
        root: Path,
        newest: Iterable[Content],
        history: Callable[[], Iterable[tuple[int, list[Content]]]],
        group: str | None = None,
    ):
        self._root, self._objects = Path(root), Objects(root, group)
        self._provenance = Provenance(root)
        self._history, self._has_history = history, False
        self._exclusive: dict[str, bool] = {}  # by URI
        self._public_contents: set[str] = set()  # sha256 and identities of public products
        self._closed_contents: set[str] = set()  # of exclusive ones
        self._keys: dict[str, set[str]] = defaultdict(set)  # by sha256 and identity of a result
        self._closed: dict[str, bool] = {}  # by key
        self._add(newest)

    def closed(self, rows: Entries) -> set[str]:
        """Return the sha256 of those objects of the rows that other users must not read.

        Equal bytes are one object, which is closed if one of its rows is.
        """
        return self._closed_of(row_contents(rows))

    def enforce(self, rows: Entries, everywhere: bool = False) -> set[str]:
        """Close the objects that other users must not read; return the sha256 of these.

        The record of a result has the access of the result. If a file that had to be closed was
        open, or `everywhere`, set the access to the files of all generations.
        """
        contents = row_contents(rows)
        closed = {sha256 for sha256 in self._closed_of(contents) if self._objects.has(sha256)}
        was_open = self._objects.restrict_open(closed)
        for sha256 in closed:  # for another group, if the config changed
            was_open |= self._objects.restrict(sha256)
        for path, is_closed in self._records(contents):
            was_open |= is_closed and _is_open(path)
            self._set_mode(path, is_closed)
        return self._enforce_everywhere(closed) if was_open or everywhere else closed

    def _enforce_everywhere(self, closed: set[str]) -> set[str]:
        """Set the access to the files of all generations; return the closed objects.

        The public site may show what is closed now, so it is closed until it is written again.
        """
        site = public_site(self._root)
        if site.is_dir() and not site.is_symlink():
            restrict(site)
        seen: set[str] = set()
        for number, rows in self._history():
            closed |= self._closed_of(rows)
            seen.update(row.sha256 for row in rows)
            for path, is_closed in (*self._records(rows), *self._descriptions_of(number, rows)):
                self._set_mode(path, is_closed)
        for sha256 in filter(self._objects.has, closed | seen):
            if sha256 in closed:
                self._objects.restrict(sha256)
            else:
                self._objects.open_to_all(sha256)
        return closed

    def wrongly_open(self) -> Iterator[Path]:
        """Yield the files of all generations that other users can read, and must not.

        Objects that only pruned generations name are left out: their access is not recorded.
        """
        seen: set[Path] = set()
        site = exclusive_site(self._root)
        if site.is_dir() and site.stat().st_mode & stat.S_IRWXO:
            yield site
        for number, contents in self._history():
            rows = [row for row in contents if not row.uri or row.is_exclusive is not None]
            closed = {self._objects.path(sha256) for sha256 in self._closed_of(rows)}
            others = (*self._records(rows), *self._descriptions_of(number, rows))
            closed.update(path for path, is_closed in others if is_closed)
            yield from filter(_is_open, closed - seen)
            seen |= closed

    def names_closed_measurements(self, rows: Iterable[Content]) -> bool:
        """Return whether rows name numbers that were measured on closed objects."""
        return bool(self._closed_of(row for row in rows if row.has_measurements))

    def _records(self, rows: Iterable[Content]) -> Iterator[tuple[Path, bool]]:
        """Yield the records of the results among rows, and whether they are closed."""
        accepted = {path.stem for path in (self._root / "accepted").glob("*.json")}
        for key in {row.key for row in rows if row.key}:
            yield self._provenance.path(key), self._is_closed(key)
            if key in accepted:
                yield acceptance_path(self._root, key), self._is_closed(key)

    def _descriptions_of(self, number: int, rows: list[Content]) -> Iterator[tuple[Path, bool]]:
        """Yield the page and the manifest of a generation, and whether they are closed."""
        yield report_path(self._root, number), bool(self._closed_of(rows))
        yield manifest_path(self._root, number), self.names_closed_measurements(rows)

    def _set_mode(self, path: Path, is_closed: bool) -> None:
        with suppress(FileNotFoundError):
            if is_closed:
                restrict(path, self._objects.group)
            else:
                open_to_all(path)

    def _closed_of(self, rows: Iterable[Content]) -> set[str]:
        return {
            row.sha256
            for row in rows
            if (self._is_exclusive(row.uri) if row.uri else self._is_closed(row.key))
        }

    def _add(self, rows: Iterable[Content]) -> None:
        """Add rows to the tables; what earlier ones say of MAST's access stays."""
        for row in rows:
            if not row.uri:
                self._keys[row.sha256].add(row.key)
                self._keys[row.identity].add(row.key)
                continue
            is_exclusive = self._exclusive.setdefault(row.uri, row.is_exclusive is not False)
            contents = self._closed_contents if is_exclusive else self._public_contents
            contents.add(row.sha256)
            contents.add(row.identity)

    def _is_exclusive(self, uri: str) -> bool:
        if uri not in self._exclusive and not self._has_history:
            self._add_history()
        return self._exclusive.get(uri, True)

    def _is_closed(self, key: str) -> bool:
        """Return whether a result is closed, as it is while its inputs are looked at."""
        if key not in self._closed:
            self._closed[key] = True
            try:
                self._closed[key] = self._has_closed_input(key)
            except ClosedError:  # another user's question, whose record is closed with its files
                pass
            except StoreError as err:
                log.warning("%s; the result's files are closed to other users", err)
        return self._closed[key]

    def _has_closed_input(self, key: str) -> bool:
        """Return whether an input of a result is closed; StoreError if one cannot be traced."""
        record = self._provenance.read(key)
        inputs = record.derivation.inputs if record else ()
        if not inputs:
            path = self._provenance.path(key)
            raise StoreError(f"access of result {key}: its inputs are not known from {path}")
        return any([self._is_closed_input(item, key) for item in inputs])

    def _is_closed_input(self, item: Input, key: str) -> bool:
        """Return whether an input is closed: by its bytes or, if these are gone, its science."""
        for content in filter(None, (item.sha256, item.identity)):
            if content in self._closed_contents:
                return True
            keys = self._keys.get(content, set()) - {key}
            if keys or content in self._public_contents:
                return any(map(self._is_closed, keys))
        if item.path:  # a user's own file of other content, which may come from exclusive data
            return True
        if not self._has_history:
            self._add_history()
            return self._is_closed_input(item, key)
        for path in self._descriptions(item.sha256) if item.sha256 else ():
            with suppress(FileNotFoundError, StoreError):
                return self._is_exclusive(read(path, Version).product.uri)
        raise StoreError(
            f"access of result {key}: its input {item.name} ({item.sha256 or 'sha256 unknown'}) "
            "cannot be traced to a product of MAST"
        )

    def _descriptions(self, sha256: str) -> Iterator[Path]:
        """Yield the records of an input, by the first and by later versions of the functions."""
        folder = self._root / "receipts" / "inputs"
        yield folder / f"{sha256}.json"
        yield from folder.glob(f"{sha256}.*.json")

    def _add_history(self) -> None:
        """Add the rows of all generations, and all results on record."""
        self._has_history = True
        unknown: list[Content] = []
        for _, rows in self._history():
            self._add(row for row in rows if not row.uri or row.is_exclusive is not None)
            unknown += [row for row in rows if row.uri and row.is_exclusive is None]
        self._add(unknown)  # last, for another generation may know more of the same product
        for path in self._provenance.folder.glob("*.json"):
            with suppress(StoreError):
                record = self._provenance.read(path.stem)
                files = record.files if record else ()
                self._add(
                    Content(file.sha256, file.identity, None, None, path.stem) for file in files
                )
