"""Hints of what to poll next: programs that events named, kept until a poll has used them."""

from collections.abc import Iterable
from pathlib import Path

from jwmirror.records import digest, read, write


def keep(mirror: Path, programs: Iterable[int]) -> Path:
    """Remember programs for the next poll; the file that holds them."""
    wanted = tuple(sorted(set(programs)))
    path = Path(mirror) / "receipts" / "events" / f"{digest(wanted)[:16]}.json"
    write(path, wanted)
    return path


def pending(mirror: Path) -> dict[Path, tuple[int, ...]]:
    """What no poll has used yet."""
    paths = sorted(Path(mirror).glob("receipts/events/*.json"))
    return {path: read(path, tuple[int, ...]) for path in paths}


def used(paths: Iterable[Path]) -> None:
    """Forget hints that a poll has used, so that the next one asks for everything again."""
    for path in paths:
        path.unlink(missing_ok=True)
