"""What `jwmirror diff` tells: how two states of a mirror differ, or one file in them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from msgspec import structs

from jwmirror.compare.versions import compare_files
from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import canonical, parse
from jwmirror.core.model import Derivation, Entry, Reason, Record
from jwmirror.core.model.comparison import (
    IDENTICAL,
    Comparison,
    FileChange,
    FileContent,
    FileDifference,
    FileDifferences,
    Side,
    StateDifference,
)
from jwmirror.core.model.product import PEDIGREE
from jwmirror.pipeline.derivation import differences
from jwmirror.report.explanation import matching_paths, similar_names
from jwmirror.store.maintenance.lookup import generation_named
from jwmirror.store.manifest import Entries, file_changes, without_origin
from jwmirror.store.objects import Objects
from jwmirror.store.pins import CURRENT
from jwmirror.store.provenance import Provenance


@dataclass(frozen=True)
class State:
    """One side: its name, and the rows of its generation."""

    side: Side
    entries: Entries

    @cached_property
    def places(self) -> dict[str, int]:
        """Where the row of each file is; by its path, below the origin's folder if one is named."""
        paths, origins = (self.entries.column(name) for name in ("path", "origin"))
        asked = self.side.origin
        return {
            without_origin(path) if asked else path: place
            for place, (path, origin) in enumerate(zip(paths, origins, strict=True))
            if asked in ("", origin)
        }

    def row(self, name: str) -> Entry | None:
        """The row of the file that `places` has under a name."""
        place = self.places.get(name)
        return None if place is None else self.entries[place]


def states_of(root: Path, old: str, new: str, recipe: str) -> tuple[State, State]:
    """Both sides; StoreError if one is not there.

    Where just one names an origin (upstream, or a recipe), it is that of both; `recipe` is that of
    those that name none.
    """
    (old_name, _, old_origin), (new_name, _, new_origin) = old.partition(":"), new.partition(":")
    origins = old_origin or recipe or new_origin, new_origin or recipe or old_origin
    generations = [
        generation_named(root, name or CURRENT, f"; a recipe of the current generation is :{name}")
        for name in (old_name, new_name)
    ]
    rows = {each.number: each.entries() for each in generations}
    found = [
        State(Side(generation=each.number, origin=origin), rows[each.number])
        for each, origin in zip(generations, origins, strict=True)
    ]
    for origin in set(origins) - {""}:
        _check_origin(origin, found)
    return found[0], found[1]


def _check_origin(origin: str, states: list[State]) -> None:
    known = {name for state in states for name in state.entries.column("origin")}
    if origin not in known:
        raise StoreError(
            f"{origin}: expected upstream or a recipe that the generations hold; "
            f"they hold {', '.join(sorted(known)) or 'nothing'}."
        )


def state_difference(root: Path, old: State, new: State) -> StateDifference:
    """Which files differ between two states, and why."""
    changes = file_changes(old.entries, new.entries, old.side.origin, new.side.origin)
    causes = Causes(root)
    return StateDifference(
        mirror=str(root),
        old=old.side,
        new=new.side,
        files=tuple(causes.told(change) for change in changes),
    )


def file_differences(root: Path, old: State, new: State, file: str) -> FileDifferences:
    """How the files of one name differ; StoreError with suggestions if neither side has one."""
    known = {**old.places, **new.places}
    names = matching_paths(file, known)
    if not names:
        near = similar_names(file, known)
        hint = f"did you mean {', '.join(near)}?" if near else "see `jwmirror diff` without a file"
        raise StoreError(f"{file}: in neither of the two states; {hint}")
    rows = [(old.row(name), new.row(name)) for name in sorted(names)]
    return FileDifferences(
        mirror=str(root),
        old=old.side,
        new=new.side,
        files=tuple(_file_difference(root, *pair) for pair in rows),
    )


def _file_difference(root: Path, old: Entry | None, new: Entry | None) -> FileDifference:
    if old is None or new is None:
        return FileDifference(old=old, new=new, reasons=(), comparison=None)
    return FileDifference(
        old=old,
        new=new,
        reasons=Causes(root).reasons(old, new),
        comparison=_comparison(root, old, new),
    )


def _comparison(root: Path, old: Entry, new: Entry) -> Comparison:
    """How two objects differ; StoreError if one of them is not what its name says."""
    if old.sha256 == new.sha256:
        content = FileContent(sha256=old.sha256, size=old.size)
        return Comparison(verdict=IDENTICAL, old=content, new=content)
    paths = [Objects(root).path(each.sha256) for each in (old, new)]
    return compare_files(*paths, new.filename, sums=(old.sha256, new.sha256))


PLACE = {"path", "origin", "product", "sha256", "identity", "size"}  # told otherwise


class Causes:
    """Tells why files differ; what files of one result share is found out once."""

    def __init__(self, root: Path):
        self._record = Provenance(root).read
        self._between = cache(self._differences)
        self._settings: dict[tuple[str, ...], tuple[Reason, ...]] = {}

    def told(self, change: FileChange) -> FileChange:
        """The change with its reasons."""
        if change.old is None or change.new is None:
            return change
        return replace(change, reasons=self.reasons(change.old, change.new))

    def reasons(self, old: Entry, new: Entry) -> tuple[Reason, ...]:
        """What differs in how two versions of a file were made, or in what is known of them."""
        if old.key and new.key:
            made = self._between(old.key, new.key)
        else:
            made = _changed(*self._pedigrees(old, new))
        marks = _changed(_facts(old), _facts(new)) if old.sha256 == new.sha256 else ()
        if made or marks or old.sha256 == new.sha256:
            return (*made, *(mark for mark in marks if mark not in made))
        return _changed({"sha256": old.sha256[:12]}, {"sha256": new.sha256[:12]})

    def _differences(self, old: str, new: str) -> tuple[Reason, ...]:
        if old == new:
            return ()
        before, after = self._record(old), self._record(new)
        if before is None or after is None:
            return (Reason("key", old[:12], new[:12]),)
        made = before.derivation, after.derivation
        inputs = (replace(each, engine={}, parameters={}, references={}, hooks=()) for each in made)
        return tuple(dict.fromkeys([*self._of_settings(*made), *differences(*inputs)]))

    def _of_settings(self, old: Derivation, new: Derivation) -> tuple[Reason, ...]:
        """What differs but for the inputs; most exposures of a recipe share it."""
        bare = [replace(each, product="", inputs=()) for each in (old, new)]
        content = tuple(canonical(each) for each in bare)
        if content not in self._settings:
            self._settings[content] = differences(*bare)
        return self._settings[content]

    def _pedigrees(self, old: Entry, new: Entry) -> tuple[dict[str, str], dict[str, str]]:
        """Both pedigrees; of MAST's file and a result of ours only what is recorded of both."""
        was, now = self._pedigree(old), self._pedigree(new)
        if bool(old.key) == bool(new.key):
            return was, now
        both = was.keys() & now.keys()
        was, now = ({n: value for n, value in each.items() if n in both} for each in (was, now))
        return was, now

    def _pedigree(self, entry: Entry) -> dict[str, str]:
        """Which software and references made a file, and when, as far as that is recorded."""
        if entry.product:
            values = {name: getattr(entry.product, field) for field, name in PEDIGREE.items()}
            return {name: value for name, value in values.items() if value}
        record = self._record(entry.key) if entry.key else None
        return {"CRDS_CTX": entry.context, **(_made(record) if record else {})}


def _made(record: Record) -> dict[str, str]:
    return {"CAL_VER": record.derivation.engine.get("jwst", ""), "DATE": record.made_at}


def _facts(entry: Entry) -> dict[str, str]:
    """All else that a manifest says of a file, as text."""
    found = {each.name: getattr(entry, each.name) for each in fields(Entry)}
    header = parse(found.pop("header") or "{}", dict[str, Any])
    if entry.product:
        found |= structs.asdict(entry.product)
    told = {*PLACE, "key", *PEDIGREE}
    found = {name: value for name, value in found.items() if name not in told}
    return {name: _text(value) for name, value in (found | header).items()}


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Reason, ...]:
    return tuple(
        Reason(name, old.get(name, ""), new.get(name, ""))
        for name in dict.fromkeys([*old, *new])
        if old.get(name, "") != new.get(name, "")
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical(value)
