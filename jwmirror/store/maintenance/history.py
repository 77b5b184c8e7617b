"""The history of a file: its versions, and the generations that each was published in."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path

from jwmirror.core.model.maintenance import FileHistory, FileVersion
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.maintenance.retention import read_tombstone

Match = Callable[[Iterable[str]], Collection[str]]
Versions = dict[str, list[FileVersion]]  # by path, oldest first


def file_history(root: Path, match: Match, sums: Collection[str] = ()) -> FileHistory:
    """Return the history of the paths that `match` selects from those of each generation.

    Files with a sha256 among `sums` are there, too, whatever their paths.
    """
    generations = Generations(root)
    unpruned = generations.unpruned()
    spans: Versions = {}
    before: set[str] = set()
    for generation in unpruned:
        before = _follow(generation, match, sums, spans, before)
    kept = {}
    for generation in generations.all():
        rows = read_tombstone(generation.folder).kept if generation.is_pruned else ()
        wanted = set(match([row.path for row in rows])) if rows else set()
        if found := tuple(row for row in rows if row.path in wanted or row.sha256 in sums):
            kept[str(generation.number)] = found
    return FileHistory(
        mirror=str(root),
        generations=tuple(generation.number for generation in unpruned),
        versions=tuple(version for path in sorted(spans) for version in spans[path]),
        kept=kept,
    )


def _follow(
    generation: StoredGeneration,
    match: Match,
    known_sums: Collection[str],
    spans: Versions,
    before: set[str],
) -> set[str]:
    """Extend the versions that a generation still has, and add new ones; return its paths.

    `before` are the paths of the generation before: a file that was absent has a new version.
    """
    rows = generation.columns("path", "sha256", "size")
    paths, sums, sizes = (rows.column(name) for name in ("path", "sha256", "size"))
    wanted = set(match(paths))
    wanted |= {path for path, sha256 in zip(paths, sums, strict=True) if sha256 in known_sums}
    entries = None
    for place, path in enumerate(paths):
        if path not in wanted:
            continue
        known = spans.setdefault(path, [])
        if known and path in before and known[-1].sha256 == sums[place]:
            known[-1] = replace(known[-1], last=generation.number)
            continue
        entries = entries or generation.entries()
        known.append(
            FileVersion(
                path=path,
                sha256=sums[place],
                size=sizes[place],
                first=generation.number,
                first_at=generation.made_at,
                last=generation.number,
                entry=entries[place],
            )
        )
    return wanted
