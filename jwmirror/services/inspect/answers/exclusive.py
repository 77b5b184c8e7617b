"""Which files of a generation are exclusive, and until when: of MAST, and made from them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from jwmirror.core.model.answers.exclusive import ExclusiveFiles
from jwmirror.core.model.stored import Entry
from jwmirror.services.site.shown_rows import exclusive_words
from jwmirror.store.access import CLOSING
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import Entries
from jwmirror.store.provenance import Provenance

CONTENT = ("sha256", "identity", "path", "key", *CLOSING, "product_release_date")


class Term(NamedTuple):
    """What MAST says of the access to a file; of several, the largest one holds."""

    is_unknown: bool  # when it is released
    release: str  # ISO; "" if it is not known
    is_listed_so: bool  # False: MAST lists it as public, and gives it only with the token


UNKNOWN = Term(True, "", True)  # of a result whose exclusive input is not in this generation


class ExclusiveData:
    """The exclusive files of the rows of one generation."""

    def __init__(self, root: Path, entries: Entries):
        self._entries, self._provenance = entries, Provenance(root)
        self._access = Generations(root).access(entries)
        self._today = datetime.now(UTC).date().isoformat()
        self._terms: dict[str, Term] = {}  # of MAST's files: by path, sha256, identity and name
        self._makers: dict[str, str] = {}  # keys, by sha256 and identity of their files
        self._known: dict[str, Term | None] = {}  # by key
        self._has_any = any(any(entries.column(name)) for name in CLOSING)
        for sha256, identity, path, key, exclusive, needs_token, release in self._rows():
            if key:
                self._makers |= {sha256: key, identity: key}
            elif exclusive or needs_token:
                term = Term(not release, release or "", bool(exclusive))
                for name in (path, sha256, identity, path.rpartition("/")[2]):
                    self._terms[name] = max(term, self._terms.get(name, term))

    def words(self, entry: Entry) -> str:
        """Return until when a file is exclusive, in words; "" if it is public."""
        row = next((n for n, p in enumerate(self._entries.column("path")) if p == entry.path), None)
        if row is None or not self._closed(self._entries.rows([row])):
            return ""
        return self._in_words(self._term_of(entry.path, entry.key) or UNKNOWN)

    def by_observation(self) -> tuple[ExclusiveFiles, ...]:
        """Return how many files of each observation are exclusive, and until when."""
        closed = self._closed(self._entries)
        numbers: dict[tuple[str, str, Term], Counter[bool]] = defaultdict(Counter)
        for sha256, _, path, key, *_ in self._rows() if closed else ():
            if sha256 in closed:
                program, observation, _ = path.split("/")[-3:]
                term = self._term_of(path, key) or UNKNOWN
                numbers[program, observation, term][bool(key)] += 1
        return tuple(
            self._counted(program, observation, term, count)
            for (program, observation, term), count in sorted(numbers.items())
        )

    def _counted(
        self, program: str, observation: str, term: Term, count: Counter[bool]
    ) -> ExclusiveFiles:
        return ExclusiveFiles(
            program=program,
            observation=observation,
            release=term.release[:10],
            words=self._in_words(term),
            of_mast=count[False],
            recalibrated=count[True],
        )

    def _rows(self) -> Iterator[tuple[str, str, str, str, bool | None, bool | None, str | None]]:
        return zip(*map(self._entries.column, CONTENT), strict=True)

    def _closed(self, rows: Entries) -> set[str]:
        return self._access.closed(rows) if self._has_any else set()

    def _in_words(self, term: Term) -> str:
        return exclusive_words(term.release, term.is_listed_so, self._today)

    def _term_of(self, path: str, key: str) -> Term | None:
        """Return the longest term of a file, or of what it was made from; None: none is known."""
        if not key:
            return self._terms.get(path)
        if key not in self._known:
            self._known[key] = None  # an input is never made from the result
            record = self._provenance.read_if_allowed(key)
            inputs = record.derivation.inputs if record else ()
            terms = [self._term_of_input(i.sha256 or "", i.identity or "", i.name) for i in inputs]
            self._known[key] = max((term for term in terms if term), default=None)
        return self._known[key]

    def _term_of_input(self, sha256: str, identity: str, name: str) -> Term | None:
        for content in filter(None, (sha256, identity)):
            if content in self._terms:
                return self._terms[content]
            if content in self._makers:
                return self._term_of("", self._makers[content])
        return self._terms.get(name)  # of an earlier version, if MAST has replaced it since


def exclusive_files(root: Path, entries: Entries) -> tuple[ExclusiveFiles, ...]:
    """Return how many files of each observation are exclusive, and until when."""
    return ExclusiveData(root, entries).by_observation()
