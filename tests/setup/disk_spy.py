"""A spy on the disk: what is made durable, named and removed, in which order."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from jwmirror.core import files

SYNC, NAME, REMOVE = "sync", "name", "remove"


class DiskCall(NamedTuple):
    """One call: `path` was made durable, got its name (by rename or link), or was removed."""

    kind: str
    path: Path
    source: Path | None = None  # of what got a name: its name before


class DiskSpy:
    """All calls since it was made, in order. Install it by the fixture `disk`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.calls: list[DiskCall] = []
        monkeypatch.setattr(files, "MANY_FILES", 10**9)  # sync each path, so that each is seen
        self._patch = monkeypatch
        self._spy_on(
            "fsync", lambda handle: DiskCall(SYNC, Path(f"/proc/self/fd/{handle}").resolve())
        )
        for function in ("rename", "replace", "link"):
            self._spy_on(function, lambda old, new: DiskCall(NAME, Path(new), Path(old)))
        for function in ("unlink", "rmdir"):
            self._spy_on(function, lambda path: DiskCall(REMOVE, Path(path)))

    def _spy_on(self, function, call) -> None:
        real = getattr(os, function)

        def spied(*args, **kwargs):
            done = real(*args, **kwargs)
            if not kwargs.get("dir_fd"):
                self.calls.append(call(*args))
            return done

        self._patch.setattr(os, function, spied)

    def position(self, kind: str, path: Path) -> int:
        """Return when the last call of this kind for this path came."""
        positions = [at for at, call in enumerate(self.calls) if call[:2] == (kind, Path(path))]
        assert positions, f"no {kind} of {path}"
        return positions[-1]

    def named_before_synced(self, below: Path) -> list[str]:
        """Return the files below a folder that got their name before their bytes were durable."""
        synced: set[Path | None] = set()
        early = []
        for call in self.calls:
            if call.kind == SYNC:
                synced.add(call.path)
            if call.kind == NAME and below in call.path.parents and call.path.is_file():
                early += [] if call.path.is_symlink() or call.source in synced else [call.path.name]
        return early

    def folders_left_unsynced(self, below: Path) -> set[str]:
        """Return the folders, from `below` on, in which a name is not durable at the end."""
        unsynced: set[Path] = set()
        for call in self.calls:
            if call.kind == SYNC:
                unsynced.discard(call.path)
            elif below in call.path.parents and not call.path.name.startswith("."):
                unsynced.add(call.path.parent)
        return {str(folder.relative_to(below)) for folder in unsynced if folder.is_dir()}
