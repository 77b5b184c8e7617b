"""Pins: names that people give to generations; prune never takes a generation that has one."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, sync_path
from jwmirror.core.jsonio import read, write
from jwmirror.core.model.maintenance import Pin
from jwmirror.store.lock import mirror_lock
from jwmirror.store.maintenance.retention import HEAD, PRUNED

PIN, FROZEN = "pin", "frozen"
CURRENT = "current"  # means the current generation, and so is no name of another
NAME = re.compile(r"(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
WAIT_S = 30.0  # for whoever changes the mirror; giving a name takes no time itself


def read_pins(root: Path) -> tuple[Pin, ...]:
    """All pins of a mirror, by name; StoreError if one cannot be read."""
    return tuple(_read(path) for path in sorted(Path(root).glob("pins/*.json")))


def pinned_generations(root: Path) -> dict[int, tuple[str, ...]]:
    """Generation -> the names that it has."""
    found: dict[int, tuple[str, ...]] = {}
    for each in read_pins(root):
        found[each.generation] = (*found.get(each.generation, ()), each.name)
    return found


def add_pin(root: Path, name: str, number: int, kind: str = PIN, place: str = "") -> Pin:
    """Durably give a generation a name; StoreError if the name is taken, or it is not there."""
    check_pin(root, name, number)
    with (
        as_store_error("pin", "the next `jwmirror pin` completes it"),
        mirror_lock(root, "pin", wait_s=WAIT_S),
    ):
        if standing := check_pin(root, name, number):
            return standing
        path = _path(root, name)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        made = Pin(name=name, generation=number, kind=kind, made_at=made_at, place=place)
        write(path, made)
        sync_path(Path(root))
        failpoint("pin: name written")
    return made


def check_pin(root: Path, name: str, number: int) -> Pin | None:
    """StoreError unless a generation can have a name; the pin, if it has it already."""
    if not NAME.fullmatch(name) or name == CURRENT:
        raise StoreError(
            f"pin {name!r}: a name is up to 100 letters, digits, '.', '_' and '-', begins with a "
            f"letter or digit, and is no number and not {CURRENT!r}; nothing was pinned."
        )
    folder = Path(root) / "generations" / f"{number:06d}"
    if not (folder / HEAD).is_file() or (folder / PRUNED).exists():
        why = "was pruned" if (folder / HEAD).is_file() else "is not there"
        raise StoreError(
            f"pin {name!r}: generation {number} {why}; nothing was pinned; `jwmirror log` lists "
            "the generations."
        )
    standing = find_pin(root, name)
    if standing and standing.generation != number:
        raise StoreError(
            f"pin {name!r}: expected it to be free or to name generation {number}, found "
            f"generation {standing.generation} of {standing.made_at}; nothing was changed; take "
            f"another name, or `jwmirror unpin {name}` first."
        )
    return standing


def remove_pin(root: Path, name: str) -> Pin:
    """Take a name away; the generation itself stays until it is pruned. What the name said."""
    again = "the next `jwmirror unpin` completes it"
    with as_store_error("unpin", again), mirror_lock(root, "unpin", wait_s=WAIT_S):
        found = require_pin(root, name)
        path = _path(root, name)
        path.unlink()
        sync_path(path.parent)
        failpoint("unpin: name removed")
    return found


def find_pin(root: Path, name: str) -> Pin | None:
    """The pin of that name, if there is one."""
    path = _path(root, name)
    return _read(path) if NAME.fullmatch(name) and path.is_file() else None


def require_pin(root: Path, name: str) -> Pin:
    """The pin of that name; StoreError with those that there are if there is none."""
    found = find_pin(root, name)
    if found is None:
        known = ", ".join(f"{each.name} ({each.generation})" for each in read_pins(root)) or "none"
        raise StoreError(f"pin {name!r}: there is none of that name; pins are: {known}.")
    return found


def _path(root: Path, name: str) -> Path:
    return Path(root) / "pins" / f"{name}.json"


def _read(path: Path) -> Pin:
    try:
        return read(path, Pin)
    except msgspec.DecodeError as err:
        raise StoreError(
            f"pin {path}: cannot be read ({err}); nothing was changed; take it back from a copy "
            "of the mirror, or remove it and pin anew."
        ) from err
