"""How the files of a generation differ from those of its parent, and why: found once, and kept.

Generations never change, so neither do these records. Without them, each site would be made from
all manifests.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import structs

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read, write
from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.history.causes import Cause, summed_up
from jwmirror.core.model.product import PEDIGREE
from jwmirror.core.model.stored import GONE
from jwmirror.planning.causes.comparison import causes_between
from jwmirror.planning.causes.states import PublishedState
from jwmirror.report.formatting import without_folder
from jwmirror.services.causes.generations import lookups_of, state_of
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.manifest import PREFIX, Entries, entries_of
from jwmirror.store.rows.differences import (
    CHANGED,
    MARKED,
    NEW,
    REMOVED,
    RowDifferences,
    row_differences,
)

SCHEME = 2  # of the records: 1 more with each change of what they say
MOST = {NEW: 2_000, CHANGED: 20_000, MARKED: 2_000, REMOVED: 5_000}  # files of a kind
MARKS = ("state", "deselected", "quality", "context", f"{PREFIX}exclusive", f"{PREFIX}needs_token")
COLUMNS = (
    "path",
    "origin",
    "sha256",
    "identity",
    "key",
    *MARKS,
    *(f"{PREFIX}{n}" for n in PEDIGREE),
)


class DifferingFile(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One file that differs. Of new and gone files, one side is empty."""

    kind: str
    path: str
    origin: str
    old: str = ""  # sha256
    new: str = ""
    old_key: str = ""  # of a result
    key: str = ""
    quality: str = ""  # of a result
    details: str = ""  # in words
    is_other_science: bool = False  # of a changed file: its science content differs, or may
    causes: int = -1  # of a result: place among the causes of the generation; -1: not known


class GenerationDifferences(msgspec.Struct, frozen=True, kw_only=True):
    """The files in which a generation differs from its parent."""

    scheme: int
    parent_manifest: str = ""  # sha256
    counts: dict[str, int] = {}
    files: tuple[DifferingFile, ...] = ()
    causes: tuple[tuple[str, ...], ...] = ()  # in words: each is why some of the files differ

    def causes_of(self, file: DifferingFile) -> tuple[str, ...]:
        """Return why a result differs, traced to the root; () if that is not known."""
        return self.causes[file.causes] if file.causes >= 0 else ()

    @property
    def left_out(self) -> dict[str, int]:
        """The numbers of files that are not listed, by kind."""
        listed: dict[str, int] = {}
        for file in self.files:
            listed[file.kind] = listed.get(file.kind, 0) + 1
        rest = {kind: number - listed.get(kind, 0) for kind, number in self.counts.items()}
        return {kind: number for kind, number in rest.items() if number > 0}


class DifferenceRecords:
    """The differences of all generations of a mirror; `rows` are those in memory, by generation."""

    def __init__(self, mirror: Path, rows: Mapping[int, Entries]):
        self._mirror, self._generations = Path(mirror), Generations(mirror)
        self.rows = dict(rows)

    def of(self, generation: StoredGeneration) -> GenerationDifferences | None:
        """Return the differences of a generation; None if they are not known any more.

        That is so if the generation or its parent was pruned before a site was made.
        """
        path, kept = self._mirror / "receipts" / "site" / f"{generation.number:06d}.json", None
        with suppress(FileNotFoundError, StoreError, msgspec.DecodeError):
            kept = read(path, GenerationDifferences)
            if kept.scheme == SCHEME:
                return kept
        try:
            found = self._compute(generation)
        except StoreError:
            return kept  # of an earlier version of jwmirror, which says less
        write(path, found, mode=0o600)
        return found

    def _compute(self, generation: StoredGeneration) -> GenerationDifferences:
        parent = None if generation.parent is None else self._generations.read(generation.parent)
        before = self._entries(parent) if parent else entries_of(())
        now = self._entries(generation)
        differing = row_differences(before, now)
        nothing = entries_of(())
        parts = (
            *_files(NEW, nothing, differing.new),
            *_files(CHANGED, *differing.changed),
            *_files(REMOVED, differing.gone, nothing),
            *_files(MARKED, *differing.marked),
        )
        files: tuple[DifferingFile, ...] = parts
        causes: tuple[tuple[str, ...], ...] = ()
        if any(each.origin != UPSTREAM and each.kind != MARKED for each in parts):
            old = state_of(parent, before) if parent else PublishedState(entries=before)
            files, causes = self._with_causes(parts, old, state_of(generation, now), differing)
        return GenerationDifferences(
            scheme=SCHEME, counts=differing.counts, files=files, causes=causes
        )

    def _with_causes(
        self,
        files: Iterable[DifferingFile],
        old: PublishedState,
        new: PublishedState,
        differing: RowDifferences,
    ) -> tuple[tuple[DifferingFile, ...], tuple[tuple[str, ...], ...]]:
        """Return the files, and why results among them are new, changed or gone."""
        causes = causes_between(old, new, lookups_of(self._mirror), differing)
        of_path: dict[str, tuple[int, ...]] = {}
        for number, cause in enumerate(causes):
            for path in cause.paths:
                if not path.startswith(f"{UPSTREAM}/"):
                    of_path[path] = (*of_path.get(path, ()), number)
        places: dict[tuple[int, ...], int] = {}
        found = []
        for file in files:
            numbers = of_path.get(file.path) if file.kind != MARKED else None
            place = places.setdefault(numbers, len(places)) if numbers else -1
            found.append(structs.replace(file, causes=place) if numbers else file)
        words = (_in_words(causes[number] for number in numbers) for numbers in places)
        return tuple(found), tuple(words)

    def _entries(self, generation: StoredGeneration) -> Entries:
        """Return the rows of a generation; the two that were read last are not read again."""
        if generation.number not in self.rows:
            if len(self.rows) > 1:
                del self.rows[next(iter(self.rows))]
            self.rows[generation.number] = generation.entries()
        return self.rows[generation.number]


def _in_words(causes: Iterable[Cause]) -> tuple[str, ...]:
    """Return the causes of one file in words, without the number of all files that differ."""
    alone = (
        replace(cause, files=cause.own if cause.content else 0, results=0, paths=())
        for cause in causes
    )
    return tuple(without_folder(str(cause)) for cause in summed_up(alone))


def _files(kind: str, old: Entries, new: Entries) -> Iterator[DifferingFile]:
    """Yield the first files of one kind; results before files of MAST, if there are too many."""
    rows = new if len(new) else old
    places = list(range(len(rows)))
    if len(places) > MOST[kind]:
        origins = rows.column("origin")
        results_first = sorted(places, key=lambda row: origins[row] == UPSTREAM)
        places = sorted(results_first[: MOST[kind]])
    sides = [_columns(side.rows(places)) if len(side) else None for side in (old, new)]
    for number in range(len(places)):
        was, now = (side[number] if side else {} for side in sides)
        yield _difference(kind, was, now)


def _columns(rows: Entries) -> list[dict[str, object]]:
    values: Iterable[tuple[object, ...]] = zip(*map(rows.column, COLUMNS), strict=True)
    return [dict(zip(COLUMNS, row, strict=True)) for row in values]


def _difference(kind: str, was: dict[str, object], now: dict[str, object]) -> DifferingFile:
    either = now or was
    identities = was.get("identity"), now.get("identity")
    return DifferingFile(
        kind=kind,
        path=str(either["path"]),
        origin=str(either["origin"]),
        old=str(was.get("sha256", "")),
        new=str(now.get("sha256", "")),
        old_key=str(was.get("key", "")),
        key=str(now.get("key", "")),
        quality=str(now.get("quality", "")),
        details=", ".join(_words(was, now)) if was and now else "",
        is_other_science=kind == CHANGED and not (identities[0] and identities[0] == identities[1]),
    )


def _words(was: dict[str, object], now: dict[str, object]) -> Iterator[str]:
    """Yield in words what differs between two rows of one file."""
    if now["origin"] == UPSTREAM:
        for name, keyword in PEDIGREE.items():
            old, new = was[f"{PREFIX}{name}"], now[f"{PREFIX}{name}"]
            if old != new and name != "date":
                yield f"{keyword} {old or '-'} -> {new or '-'}"
    if was["state"] != now["state"]:
        yield "no longer listed by MAST" if now["state"] == GONE else "listed by MAST again"
    if bool(was["deselected"]) != bool(now["deselected"]):
        yield "no longer selected" if now["deselected"] else "selected again"
    closed = [row[MARKS[-2]] or row[MARKS[-1]] for row in (was, now)]
    if bool(closed[0]) != bool(closed[1]):
        yield "restricted by MAST" if closed[1] else "released by MAST"
    if was["context"] != now["context"] and was["sha256"] == now["sha256"]:
        yield f"valid in {now['context']}, too"
    if was["quality"] != now["quality"]:
        yield f"quality {was['quality'] or 'not measured'} -> {now['quality'] or 'not measured'}"
