"""Losses: objects that are gone for good, written down, so that the rest of the mirror goes on.

Their rows stay in the manifests and are told by `verify`; a publication does not wait for them.
"""

from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.files import sync_path
from jwmirror.core.jsonio import read, write
from jwmirror.store.objects import Objects


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One object that could not be had again."""

    sha256: str
    size: int  # bytes
    path: str  # in the view of the newest generation that has it
    why: str
    found_at: str  # ISO, UTC


def read_losses(root: Path) -> dict[str, Loss]:
    """sha256 -> what was lost, as far as it was written down."""
    found = (read(path, Loss) for path in sorted(Path(root).glob("losses/*.json")))
    return {each.sha256: each for each in found}


def current_losses(root: Path) -> dict[str, Loss]:
    """sha256 -> what was written down as lost and is not there again."""
    objects = Objects(root)
    return {s: each for s, each in read_losses(root).items() if not objects.has(s, each.size)}


def record_loss(root: Path, loss: Loss) -> None:
    """Durably write a loss down."""
    write(_path(root, loss.sha256), loss)
    sync_path(Path(root))


def remove_loss(root: Path, sha256: str) -> None:
    """What was lost is there again."""
    _path(root, sha256).unlink(missing_ok=True)


def _path(root: Path, sha256: str) -> Path:
    return Path(root) / "losses" / f"{sha256}.json"
