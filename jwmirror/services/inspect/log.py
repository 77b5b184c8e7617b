"""The generations of a mirror, and the versions of one file."""

from dataclasses import replace
from pathlib import Path

from jwmirror.core.model.maintenance import FileHistory, FileVersion
from jwmirror.report.history import History, build_history
from jwmirror.services.causes.files import FileCauses
from jwmirror.services.inspect.change_reasons import ChangeReasons
from jwmirror.services.inspect.file_names import matching_paths, no_such_file
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.history import file_history
from jwmirror.store.pins import pinned_generations, read_hold


def mirror_history(root: Path) -> History:
    """Return all generations, those that led to the current one, and their pins."""
    generations = Generations(root)
    known = generations.all()
    pruned = [generation.number for generation in known if generation.is_pruned]
    names, hold = pinned_generations(root), read_hold(root)
    return build_history(str(root), generations.current(), known, pruned, names, hold)


def history_of_file(root: Path, file: str) -> FileHistory:
    """Return the versions of the files that a name matches, and why each differs from the last.

    Raises:
        StoreError: no generation has such a file; the message suggests others.
    """
    history = file_history(root, lambda paths: matching_paths(file, paths))
    if not history.versions and not history.kept:
        paths = Generations(root).require_current().entries().column("path")
        raise no_such_file(root, file, "not in any generation that is kept", paths)
    reasons, causes = ChangeReasons(root), FileCauses(root)
    versions: list[FileVersion] = []
    for version in history.versions:
        before = versions[-1] if versions else None
        if before and before.path == version.path and before.sha256 != version.sha256:
            version = replace(
                version,
                reasons=reasons.between(before.entry, version.entry),
                causes=causes.between(before.last, version.first, version.path),
                content=causes.content(before.sha256, version.sha256),
            )
        versions.append(version)
    return replace(history, versions=tuple(versions))
