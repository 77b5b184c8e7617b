"""What happened to MAST's files between two states. Pure."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jwmirror.core import names
from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.product import PEDIGREE
from jwmirror.core.model.stored import GONE
from jwmirror.planning.causes.states import Findings, Happened, PublishedState
from jwmirror.store.entries import program_folder
from jwmirror.store.manifest import PREFIX, Entries
from jwmirror.store.rows.differences import RowDifferences, differing_columns

CHECKS = {  # columns that change when a file was compared and is the same
    f"{PREFIX}{name}"
    for name in ("checksum", "validator", "siblings", "size", "date", "sdp_ver", "listed_cal_ver")
}
READ = {"identity", "header", "refusal", "scheme"}
ACCESS = ("product_exclusive", "product_needs_token")
MARKS = ("state", "deselected", "product_stale", *ACCESS)
Row = tuple[Any, ...] | list[Any]  # of the types that SCHEMA gives the columns
FOUND = ("path", "product_uri", "product_filename", "product_program", "product_observation")


def find_product_roots(
    differing: RowDifferences, old: PublishedState, new: PublishedState, findings: Findings
) -> list[Happened]:
    """Add what happened to MAST's files; return it, each with the paths of its files."""
    happened = [
        *_of_new_and_gone(differing, old, new),
        *_of_changed(*_of_mast(differing.changed), new, findings),
        *_of_marked(*_of_mast(differing.marked), new),
    ]
    for root, paths in happened:
        findings.add(root, paths)
    return happened


def place_of(program: int, observation: str) -> str:
    """Return a folder of MAST's files, in words: jw01345 o001."""
    return f"{program_folder(program)} {observation}"


def _of_mast(rows: tuple[Entries, Entries]) -> tuple[Entries, Entries]:
    before, after = rows
    wanted = [n for n, origin in enumerate(before.column("origin")) if origin == UPSTREAM]
    return before.rows(wanted), after.rows(wanted)


# ---- files that are new or gone --------------------------------------------------------------


def _of_new_and_gone(
    differing: RowDifferences, old: PublishedState, new: PublishedState
) -> Iterator[Happened]:
    gone = _of_mast_by_path(differing.gone)
    arrived = _of_mast_by_path(differing.new) if gone else {}  # there may be many
    renamed = _renamed(gone, arrived)
    counts: dict[str, int] = {}
    for path in renamed:
        place = place_of(*arrived[path][2:])
        counts[place] = counts.get(place, 0) + 1
    for path, former in renamed.items():
        place = place_of(*arrived[path][2:])
        root = Cause("renamed", place=place)
        if counts[place] == 1:
            root = replace(root, old=gone[former][1], new=arrived[path][1])
        yield root, (path, former)
    by_config = new.place("programs") if old.programs != new.programs else ""
    for path in gone.keys() - set(renamed.values()):
        place = place_of(*gone[path][2:])
        yield Cause("dropped", place=place, where=by_config), (path,)
    if len(differing.new):
        yield from _of_new(differing.new, renamed, old, new)


def _of_mast_by_path(rows: Entries) -> dict[str, Row]:
    """Return URI, file name, program and observation of MAST's files, by path."""
    found = _rows(rows, "origin", *FOUND)
    return {path: rest for origin, path, *rest in found if origin == UPSTREAM}


def _of_new(
    rows: Entries, renamed: Mapping[str, str], old: PublishedState, new: PublishedState
) -> Iterator[Happened]:
    """Yield why files are new that had no other name before."""
    known = set(old.entries.column("product_program"))
    is_chosen = None not in (old.programs, new.programs) and old.programs != new.programs
    where = new.place("programs") if is_chosen else ""
    facts = ("release_date", "exclusive", "date")
    columns = ("path", *(f"{PREFIX}{name}" for name in ("program", "observation", *facts)))
    groups: dict[Row, list[str]] = {}
    for path, program, observation, release, exclusive, date in _rows(rows, *columns):
        if program is None or path in renamed:
            continue
        released = _released(release, exclusive, old, new) if release else ""
        is_older = is_chosen and bool(date) and date < old.made_at
        groups.setdefault((program, observation, released, is_older), []).append(path)
    for (program, observation, released, is_older), paths in groups.items():
        place = place_of(program, observation)
        if program not in known:
            yield Cause("first", str(program)), paths
        elif released:
            yield Cause("released", new=released, place=place), paths
        elif is_older:
            yield Cause("chosen", place=place, where=where), paths
        else:
            yield Cause("new", place=place), paths


def _released(
    release: str | None, exclusive: bool | None, old: PublishedState, new: PublishedState
) -> str:
    """Return the day on which a file was released between two states; "" if it was not."""
    if not release or exclusive or not old.made_at:
        return ""
    return release[:10] if old.made_at < release <= (new.made_at or "9") else ""


def _renamed(gone: Mapping[str, Row], arrived: Mapping[str, Row]) -> dict[str, str]:
    """Return new paths, each with the former one: by URI, file name, or what names have in common.

    Rows are URI, file name, program, observation.
    """
    pairs: dict[str, str] = {}
    for key_of in (_uri, _name, _series_and_counter, _series, _name_without_target):
        left: dict[Hashable, list[str]] = {}
        for path in sorted(gone.keys() - set(pairs.values())):
            left.setdefault(key_of(gone[path]), []).append(path)
        for path in sorted(arrived.keys() - pairs.keys()):
            if (key := key_of(arrived[path])) is not None and left.get(key):
                pairs[path] = left[key].pop()
    return pairs


def _uri(row: Row) -> Hashable:
    return str(row[0])


def _name(row: Row) -> Hashable:
    return str(row[1])


def _series_and_counter(row: Row) -> Hashable:
    parts = names.parse_association(row[1])
    return parts and (parts.series, parts.counter)


def _series(row: Row) -> Hashable:
    parts = names.parse_association(row[1])
    return parts and parts.series


def _name_without_target(row: Row) -> Hashable:
    return None if names.parse_association(row[1]) else (row[3], names.without_target(row[1]))


# ---- files that are there in both states -----------------------------------------------------


def _of_changed(
    before: Entries, after: Entries, new: PublishedState, findings: Findings
) -> Iterator[Happened]:
    """Yield how files were made that have other bytes now, and what else happened to them."""
    made = tuple(f"{PREFIX}{name}" for name in PEDIGREE if name != "date")
    columns = ("path", "sha256", "product_program", "product_observation")
    pairs = zip(
        *(_rows(rows, *columns) for rows in (before, after)),
        *(_rows(rows, *made) for rows in (before, after)),
        *(_rows(rows, *ACCESS) for rows in (before, after)),
        strict=True,
    )
    groups: dict[Row, list[Row]] = {}
    for was, now, old_made, new_made, *access in pairs:
        path, sha256, program, observation = now
        version = (was[1], sha256, any(map(any, access)))
        groups.setdefault((program, observation, old_made, new_made), []).append((path, version))
    for (program, observation, old_made, new_made), files in groups.items():
        how = _made_differently(old_made, new_made)
        root = Cause("reprocessed", how, place=place_of(program, observation))
        findings.versions.setdefault(root, []).extend(version for _, version in files)
        yield root, [path for path, _ in files]
    yield from _of_marked(before, after, new, is_reprocessed=True)


def _made_differently(old: Sequence[str | None], new: Sequence[str | None]) -> str:
    """Return how software and context differ: CAL_VER 1.20.2 -> 2.0.1; "" if they do not."""
    if not any(old) and not any(new):
        return "MAST lists no versions of it"
    keywords = [keyword for name, keyword in PEDIGREE.items() if name != "date"]
    return ", ".join(
        f"{keyword} {before or '-'} -> {after or '-'}"
        for keyword, before, after in zip(keywords, old, new, strict=True)
        if before != after
    )


def _of_marked(
    before: Entries, after: Entries, new: PublishedState, is_reprocessed: bool = False
) -> Iterator[Happened]:
    """Yield what MAST, or the config, says otherwise about files than before."""
    by_row: dict[int, tuple[str, ...]] = {}
    for name, places in differing_columns(before, after).items():
        for row in places:
            by_row[row] = (*by_row.get(row, ()), name)
    rows = sorted(by_row)
    columns = ("path", "product_program", "product_observation")
    groups: dict[Row, list[str]] = {}
    for row, (path, *place), was, now in zip(
        rows,
        _rows(after.rows(rows), *columns),
        _rows(before.rows(rows), *MARKS),
        _rows(after.rows(rows), *MARKS),
        strict=True,
    ):
        groups.setdefault((*place, by_row[row], was, now), []).append(path)
    for (program, observation, names_of, was, now), paths in groups.items():
        for root in _marks(set(names_of), was, now, new, is_reprocessed):
            yield replace(root, place=place_of(program, observation)), paths


def _marks(
    columns: set[str], was: Row, now: Row, new: PublishedState, is_reprocessed: bool
) -> Iterator[Cause]:
    """Yield what the differing columns of one row mean; rows are state, deselected, stale, access.

    A reprocessed file has another pedigree anyway.
    """
    rest = columns - {"state", "deselected", "product_stale", *ACCESS}
    if "state" in columns:
        yield Cause("unlisted" if now[0] == GONE else "relisted")
    if bool(was[1]) != bool(now[1]):
        yield Cause("deselected" if now[1] else "reselected", where=new.place("programs"))
    if "product_stale" in columns and not is_reprocessed:
        yield Cause("queued" if now[2] else "unqueued")
    if any(was[3:]) != any(now[3:]):
        yield Cause("restricted" if any(now[3:]) else "released")
    elif columns & set(ACCESS):
        yield Cause("described", "access")
    if is_reprocessed:
        return
    described = sorted(name.removeprefix(PREFIX) for name in rest - CHECKS - READ)
    if described:
        yield Cause("described", ", ".join(described))
    elif rest & CHECKS:
        yield Cause("compared")
    if rest & READ:
        yield Cause("reread")
    if not rest and "deselected" in columns and bool(was[1]) == bool(now[1]):
        yield Cause("compared")


def _rows(entries: Entries, *columns: str) -> Iterator[Row]:
    return zip(*map(entries.column, columns), strict=True)
