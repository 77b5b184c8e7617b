"""Access: which objects other users must not read, derived from the inputs of every result.

MAST says which products are exclusive. A result is as exclusive as its most exclusive input; its
provenance names the inputs by content, down to MAST's products. Paths and folders play no part.
Files of the user's own (override files, hooks) carry no access. A result with an input that cannot
be traced to a product of MAST is closed.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import compress
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read
from jwmirror.core.model import Input, Version
from jwmirror.store.manifest import Entries
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance

COLUMNS = ("sha256", "identity", "product_uri", "product_exclusive", "key")
# what the access to a row depends on: sha256 and identity; of a product its URI, and whether it is
# exclusive (None: unknown); of a result its key
Content = tuple[str, str, str | None, bool | None, str]

log = logging.getLogger(__name__)


def row_contents(rows: Entries) -> list[Content]:
    """Return what access depends on, row by row; of the columns, COLUMNS are needed."""
    return list(zip(*(rows.column(name) for name in COLUMNS), strict=True))


def has_access_changed(old: Entries, new: Entries) -> bool:
    """Return whether MAST released or closed a product that both states have."""
    before, after = set(_exclusive_uris(old)), set(_exclusive_uris(new))
    changed = before ^ after
    return bool(changed) and not changed.isdisjoint(
        set(old.column("product_uri")).intersection(new.column("product_uri"))
    )


def _exclusive_uris(rows: Entries) -> Iterable[str]:
    return compress(rows.column("product_uri"), rows.column("product_exclusive"))


def report_path(root: Path, number: int) -> Path:
    """Return the path of a generation's page; it is closed if an object of the generation is."""
    return Path(root) / "reports" / f"{number:06d}.html"


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

        If one of them was open, or `everywhere`, set the access to all generations and pages.
        """
        closed = {sha256 for sha256 in self.closed(rows) if self._objects.has(sha256)}
        was_open = self._objects.restrict_open(closed)
        for sha256 in closed:  # for another group, if the config changed
            self._objects.restrict(sha256)
        return self._enforce_everywhere(closed) if was_open or everywhere else closed

    def _enforce_everywhere(self, closed: set[str]) -> set[str]:
        """Set the access to the objects and pages of all generations; return what is closed."""
        seen: set[str] = set()
        for number, rows in self._history():
            hidden = self._closed_of(rows)
            closed |= hidden
            seen.update(sha256 for sha256, *_ in rows)
            with suppress(FileNotFoundError):
                report_path(self._root, number).chmod(0o600 if hidden else 0o644)
        self._objects.restrict_open(closed)
        for sha256 in seen - closed:
            if self._objects.has(sha256):
                self._objects.open_to_all(sha256)
        return closed

    def _closed_of(self, rows: Iterable[Content]) -> set[str]:
        return {
            sha256
            for sha256, _, uri, _, key in rows
            if (self._is_exclusive(uri) if uri else self._is_closed(key))
        }

    def _add(self, rows: Iterable[Content]) -> None:
        """Add rows to the tables; what earlier ones say of MAST's access stays."""
        for sha256, identity, uri, is_exclusive, key in rows:
            if not uri:
                self._keys[sha256].add(key)
                self._keys[identity].add(key)
                continue
            is_exclusive = self._exclusive.setdefault(uri, is_exclusive is not False)
            contents = self._closed_contents if is_exclusive else self._public_contents
            contents.add(sha256)
            contents.add(identity)

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
            self._add(row for row in rows if not row[2] or row[3] is not None)
            unknown += [row for row in rows if row[2] and row[3] is None]
        self._add(unknown)  # last, for another generation may know more of the same product
        for path in self._provenance.folder.glob("*.json"):
            with suppress(StoreError):
                record = self._provenance.read(path.stem)
                files = record.files if record else ()
                self._add((file.sha256, file.identity, None, None, path.stem) for file in files)
