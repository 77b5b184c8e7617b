"""Hints of what to poll next: what events named, kept until a poll has used it."""

from collections.abc import Iterable
from pathlib import Path

from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import refusals
from jwmirror.core.model import Scope, digest, read, write


def keep(mirror: Path, scopes: Iterable[Scope]) -> Path:
    """Remember programs and observations for the next poll; the file that holds them."""
    wanted = tuple(scopes)
    path = Path(mirror) / "receipts" / "events" / f"{digest(wanted)[:16]}.json"
    with refusals("event", "what it named may not be remembered"):
        write(path, wanted)
        failpoint("hints: kept")
    return path


def pending(mirror: Path) -> dict[Path, tuple[Scope, ...]]:
    """What no poll has used yet."""
    paths = sorted(Path(mirror).glob("receipts/events/*.json"))
    return {path: read(path, tuple[Scope, ...]) for path in paths}


def used(paths: Iterable[Path]) -> None:
    """Forget hints that a poll has used, so that the next one asks for everything again."""
    with refusals("event", "what it named is polled again"):
        for path in paths:
            path.unlink(missing_ok=True)
            failpoint("hints: one used")
