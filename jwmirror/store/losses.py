"""Losses: records of objects that could not be restored, so that the rest of the mirror goes on.

Their rows stay in the manifests, and `verify` reports them. They do not keep a state from being
published.
"""

from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.files import path_below, sync_path
from jwmirror.core.jsonio import read, write
from jwmirror.store.objects import Objects


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One object that could not be restored."""

    sha256: str
    size: int  # bytes
    path: str  # in the view of the newest generation that names it
    why: str
    found_at: str  # ISO, UTC


def read_losses(root: Path) -> dict[str, Loss]:
    """Return all recorded losses, by sha256."""
    losses = (read(path, Loss) for path in sorted(Path(root).glob("losses/*.json")))
    return {loss.sha256: loss for loss in losses}


def current_losses(root: Path) -> dict[str, Loss]:
    """Return the recorded losses whose objects still do not exist, by sha256."""
    objects, losses = Objects(root), read_losses(root)
    return {name: loss for name, loss in losses.items() if not objects.has(name, loss.size)}


def record_loss(root: Path, loss: Loss) -> None:
    """Durably record a loss."""
    write(_path(root, loss.sha256), loss)
    sync_path(Path(root))


def remove_loss(root: Path, sha256: str) -> None:
    """Remove the record of an object that exists again."""
    _path(root, sha256).unlink(missing_ok=True)


def _path(root: Path, sha256: str) -> Path:
    return path_below(Path(root) / "losses", f"{sha256}.json", "a recorded loss")
