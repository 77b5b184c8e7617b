"""Which files of a generation are exclusive, and until when: of MAST, and made from them.

`status`, `explain` and the site ask here, so that all say the same.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_IROTH
from typing import NamedTuple

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read
from jwmirror.core.model.answers.exclusive import ExclusiveFiles
from jwmirror.core.model.stored import Entry
from jwmirror.store.access import CLOSING
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import Entries
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance

CONTENT = ("path", "sha256", "identity", "key", *CLOSING, "product_release_date")
UNTIL, NOT_KNOWN = "exclusive until", "exclusive; the release date is not known"


class InputFile(msgspec.Struct, frozen=True):
    """The name and the contents of an input."""

    name: str = ""
    sha256: str | None = None
    identity: str | None = None


class Inputs(msgspec.Struct, frozen=True):
    """The part of a derivation that names inputs."""

    inputs: tuple[InputFile, ...] = ()


class InputRecord(msgspec.Struct, frozen=True):
    """The part of a result's record that names its inputs; it is read faster than the whole."""

    derivation: Inputs


class Term(NamedTuple):
    """What MAST says of the access to a file; of several, the largest one holds."""

    is_unknown: bool  # when it is released
    release: str  # ISO; "" if it is not known
    is_listed_so: bool  # False: MAST lists it as public, and gives it only with the token

    @property
    def day(self) -> str:
        """The day of the release (ISO); "" if it is not known."""
        return self.release[:10]

    def words(self, today: str, *, is_result: bool = False) -> str:
        """Return until when a file of MAST is exclusive, or a result that was made from it.

        `today` is a day (ISO).
        """
        if not self.is_listed_so:
            made = "made from data " if is_result else ""
            return f"exclusive ({made}listed as public, given only with the token)"
        if self.day > today:
            return f"{UNTIL} {self.day}{' (made from exclusive data)' if is_result else ''}"
        if not is_result:
            passed = f"withheld by MAST although its release date {self.day} has passed"
            return passed if self.day else NOT_KNOWN
        why = (
            f"data that MAST withholds although the release date {self.day} has passed"
            if self.day
            else "exclusive data whose release date is not known"
        )
        return f"exclusive (made from {why})"


UNKNOWN = Term(True, "", True)  # of a file whose exclusive data are not in this generation


class ExclusiveData:
    """Until when the files of one generation are exclusive.

    `closed` are the sha256 of the files that others may not read. Without any, no row is read.
    """

    def __init__(self, root: Path, entries: Entries, closed: Collection[str]):
        self._provenance, self._closed = Provenance(root), closed
        self._terms: dict[str, Term] = {}  # of MAST's files: by path, sha256, identity and name
        self._makers: dict[str, str] = {}  # keys, by sha256 and identity of their files
        self._known: dict[str, Term | None] = {}  # by key
        for path, sha256, identity, key, exclusive, needs_token, release in (
            zip(*map(entries.column, CONTENT), strict=True) if closed else ()
        ):
            if key:
                self._makers |= {sha256: key, identity: key}
            elif exclusive or needs_token:
                term = Term(not release, release or "", bool(exclusive))
                for name in (path, sha256, identity, path.rpartition("/")[2]):
                    self._terms[name] = max(term, self._terms.get(name, term))

    def term(self, path: str, sha256: str, key: str) -> Term | None:
        """Return the term of a file, or the longest of what it was made from; None: it is public.

        `key` is empty for a file of MAST.
        """
        if sha256 not in self._closed:
            return None
        of_mast = self._terms.get(path) or self._terms.get(sha256)
        return (self._of_result(key) if key else of_mast) or UNKNOWN

    def words(self, entry: Entry) -> str:
        """Return until when a file is exclusive; "" if it is public."""
        term = self.term(entry.path, entry.sha256, entry.key)
        return term.words(_today(), is_result=bool(entry.key)) if term else ""

    def _of_result(self, key: str) -> Term | None:
        """Return the longest term of what a result was made from; None: none is known."""
        if key not in self._known:
            self._known[key] = None  # an input is never made from the result
            terms = map(self._of_input, self._inputs(key))
            self._known[key] = max((term for term in terms if term), default=None)
        return self._known[key]

    def _of_input(self, file: InputFile) -> Term | None:
        for content in filter(None, (file.sha256, file.identity)):
            if content in self._terms:
                return self._terms[content]
            if content in self._makers:
                return self._of_result(self._makers[content])
        return self._terms.get(file.name)  # of an earlier version, if MAST has replaced it since

    def _inputs(self, key: str) -> tuple[InputFile, ...]:
        with suppress(StoreError, FileNotFoundError):  # damaged, which `verify` reports, or closed
            return read(self._provenance.path(key), InputRecord).derivation.inputs
        return ()


def closed_files(root: Path, entries: Entries, rows: Entries) -> set[str]:
    """Return the sha256 of those `rows` of the current generation that others may not read.

    `entries` are all its rows. Nothing is traced if MAST lists none of them as exclusive, and
    publishing has closed no file: as it does with a result whose inputs cannot be traced.
    """
    generations = Generations(root)
    current = generations.current()
    number = current.number if current else 0
    is_newest = number == max(generations.numbers(), default=0)
    is_exclusive = any(any(entries.column(name)) for name in CLOSING)
    if not is_exclusive and not _has_closed_file(generations.objects, rows, is_newest):
        return set()
    return generations.access_beside(number, entries).closed(rows)


def _has_closed_file(objects: Objects, rows: Entries, only_results: bool) -> bool:
    """Return whether others may not read the file of a row; missing files do not count."""
    pairs = zip(rows.column("sha256"), rows.column("key"), strict=True)
    statuses = (objects.status(sha256) for sha256, key in pairs if key or not only_results)
    return any(status and not status.st_mode & S_IROTH for status in statuses)


def exclusive_files(root: Path, entries: Entries) -> tuple[ExclusiveFiles, ...]:
    """Return how many files of each observation are exclusive, and until when."""
    closed = closed_files(root, entries, entries)
    term_of = ExclusiveData(root, entries, closed).term
    numbers: dict[tuple[str, str, Term], Counter[bool]] = defaultdict(Counter)
    names = ("path", "sha256", "key")
    for path, sha256, key in zip(*map(entries.column, names), strict=True) if closed else ():
        if term := term_of(path, sha256, key):
            program, observation, _ = path.split("/")[-3:]
            numbers[program, observation, term][bool(key)] += 1
    return tuple(_counted(numbers))


def _counted(
    numbers: dict[tuple[str, str, Term], Counter[bool]],
) -> Iterator[ExclusiveFiles]:
    today = _today()
    for (program, observation, term), count in sorted(numbers.items()):
        yield ExclusiveFiles(
            program=program,
            observation=observation,
            release=term.day,
            words=term.words(today),
            of_mast=count[False],
            recalibrated=count[True],
        )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
