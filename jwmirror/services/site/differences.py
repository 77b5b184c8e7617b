"""How the files of a generation differ from those of its parent: found once, and kept.

Generations never change, so neither do these records. Without them, each site would be made from
all manifests.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read, write
from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.product import PEDIGREE
from jwmirror.core.model.stored import GONE
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.manifest import PREFIX, Entries, entries_of
from jwmirror.store.rows.differences import CHANGED, MARKED, NEW, REMOVED, row_differences

SCHEME = 1  # of the records: 1 more with each change of what they say
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


class GenerationDifferences(msgspec.Struct, frozen=True, kw_only=True):
    """The files in which a generation differs from its parent."""

    scheme: int
    parent_manifest: str = ""  # sha256
    counts: dict[str, int] = {}
    files: tuple[DifferingFile, ...] = ()

    @property
    def left_out(self) -> dict[str, int]:
        """The numbers of files that are not listed, by kind."""
        listed: dict[str, int] = {}
        for file in self.files:
            listed[file.kind] = listed.get(file.kind, 0) + 1
        rest = {kind: number - listed.get(kind, 0) for kind, number in self.counts.items()}
        return {kind: number for kind, number in rest.items() if number > 0}


class DifferenceRecords:
    """The differences of all generations of a mirror; `rows` are known ones, by generation."""

    def __init__(self, mirror: Path, rows: Mapping[int, Entries]):
        self._mirror, self._generations = Path(mirror), Generations(mirror)
        self._rows = dict(rows)

    def of(self, generation: StoredGeneration) -> GenerationDifferences | None:
        """Return the differences of a generation; None if they are not known any more.

        That is so if the generation or its parent was pruned before a site was made.
        """
        path = self._mirror / "receipts" / "site" / f"{generation.number:06d}.json"
        with suppress(FileNotFoundError, StoreError, msgspec.DecodeError):
            kept = read(path, GenerationDifferences)
            if kept.scheme == SCHEME:
                return kept
        try:
            found = self._compute(generation)
        except StoreError:
            return None
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
        return GenerationDifferences(scheme=SCHEME, counts=differing.counts, files=parts)

    def _entries(self, generation: StoredGeneration) -> Entries:
        """Return the rows of a generation; the two that were read last are not read again."""
        if generation.number not in self._rows:
            if len(self._rows) > 1:
                del self._rows[next(iter(self._rows))]
            self._rows[generation.number] = generation.entries()
        return self._rows[generation.number]


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
