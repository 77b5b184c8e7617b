"""The files of any folder that MAST, or the mirror, has replaced since."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from jwmirror.core.errors import ConfigError, StoreError
from jwmirror.core.folders import no_folder
from jwmirror.core.model.answers import identification as answers
from jwmirror.services.inspect.answers.identification import (
    LooseFile,
    identifications,
    read_loose_file,
)

CHANGED = (answers.REPLACED, answers.REPLACED_AT_MAST)


def outdated_files(root: Path, folder: Path) -> answers.OutdatedFiles:
    """Return the files below a folder that are earlier versions, or none that is known, and why.

    MAST is not asked: its state is that of the last poll. Links to folders are not followed.

    Raises:
        ConfigError: there is no such folder.
        StoreError: nothing was published yet.
    """
    if why := no_folder(folder):
        raise ConfigError([f"{folder.absolute()}: {why}; name another"])
    unreadable: dict[str, str] = {}
    found = identifications(root, _read(_files(folder), unreadable), is_thorough=False)
    versions = [each for each in found.files if each.kind == answers.VERSION]
    present = [each for each in versions if _states(each) & {answers.PRESENT}]
    others = [each for each in versions if not _states(each) & {answers.PRESENT}]
    replaced = [each for each in others if _states(each).intersection(CHANGED)]
    left = [each for each in others if not _states(each).intersection(CHANGED)]
    unknown = (each for each in found.files if each.kind == answers.UNKNOWN)
    return answers.OutdatedFiles(
        mirror=found.mirror,
        generation=found.generation,
        polled_at=found.polled_at,
        folder=str(folder),
        files=len(found.files) + len(unreadable),
        present=len(present) + sum(each.kind == answers.LISTED for each in found.files),
        replaced=tuple(replaced),
        gone=tuple(each for each in left if answers.NEWER not in _states(each)),
        newer=tuple(each for each in left if answers.NEWER in _states(each)),
        different=tuple(each for each in unknown if each.namesakes),
        unreadable=unreadable,
    )


def _states(file: answers.Identification) -> set[str]:
    return {known.state for known in file.known}


def _files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, sorted within each folder."""
    for above, folders, names in os.walk(folder):
        folders.sort()
        yield from (os.path.join(above, name) for name in sorted(names))


def _read(paths: Iterable[str], unreadable: dict[str, str]) -> Iterator[LooseFile]:
    """Yield the files that can be read; add the others to `unreadable`, with the reason."""
    for path in paths:
        try:
            yield read_loose_file(path)
        except StoreError as error:
            unreadable[path] = str(error)
