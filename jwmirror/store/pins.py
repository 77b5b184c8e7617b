"""What people decide about generations: pins, and the hold.

A pin is a name of a generation, which prune never removes then. While a mirror has the record of a
hold, runs publish generations and do not show them: `CURRENT` and `current` stay, as after a crash
before they are replaced.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import StoreError, as_typed, did_you_mean, some_of
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, sync_path
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import read, write
from jwmirror.core.model.maintenance import Hold, Pin
from jwmirror.store.lock import mirror_lock
from jwmirror.store.maintenance.retention import HEAD, PRUNED

PIN, FROZEN, CHECKOUT = "pin", "frozen", "checkout"  # kinds
CURRENT = "current"  # means the current generation, and so is no name of another
HOLD_RECORD = "hold.json"  # in the folder of the mirror
NAME = re.compile(r"(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
WAIT_S = 30.0  # for another process that changes the mirror


def read_pins(root: Path) -> tuple[Pin, ...]:
    """Return all pins of a mirror, sorted by name. StoreError if one cannot be read."""
    return tuple(_read(path) for path in sorted(Path(root).glob("pins/*.json")))


def pinned_generations(root: Path) -> dict[int, tuple[str, ...]]:
    """Return the names of each pinned generation, by number."""
    pins = group_by(read_pins(root), lambda pin: pin.generation)
    return {number: tuple(pin.name for pin in group) for number, group in pins.items()}


def add_pin(root: Path, name: str, number: int, kind: str = PIN, place: str = "") -> Pin:
    """Durably give a generation a name. Raises StoreError as `check_pin`."""
    check_pin(root, name, number)
    with (
        as_store_error("pin", "the next `jwmirror pin` completes it"),
        mirror_lock(root, "pin", wait_s=WAIT_S),
    ):
        if existing := check_pin(root, name, number):
            return existing
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        pin = Pin(name=name, generation=number, kind=kind, made_at=made_at, place=place)
        write(_path(root, name), pin)
        sync_path(Path(root))
        failpoint("pin: name written")
    return pin


def check_pin(root: Path, name: str, number: int) -> Pin | None:
    """Return the pin if the generation already has that name; None if it can have it.

    Raises:
        StoreError: the name is not allowed or not free, or the generation is missing or pruned.
    """
    if not NAME.fullmatch(name) or name == CURRENT:
        raise StoreError(
            f"pin {name!r}: a name is up to 100 letters, digits, '.', '_' and '-', begins with a "
            f"letter or digit, and is no number and not {CURRENT!r}; nothing was pinned."
        )
    folder = Path(root) / "generations" / f"{number:06d}"
    if not (folder / HEAD).is_file() or (folder / PRUNED).exists():
        why = "was pruned" if (folder / HEAD).is_file() else "does not exist"
        raise StoreError(
            f"mirror {Path(root).absolute()}: pin {name!r}: generation {number} {why}; nothing was "
            f"pinned; {as_typed('log')} lists the generations."
        )
    existing = find_pin(root, name)
    if existing and existing.generation != number:
        raise StoreError(
            f"pin {name!r}: it names generation {existing.generation} already (since "
            f"{existing.made_at}), so it cannot name generation {number}; nothing was changed; use "
            f"another name, or {as_typed(f'unpin {name}')} first."
        )
    return existing


def remove_pin(root: Path, name: str) -> Pin:
    """Remove a pin and return it; its generation stays until it is pruned."""
    again = "the next `jwmirror unpin` completes it"
    with as_store_error("unpin", again), mirror_lock(root, "unpin", wait_s=WAIT_S):
        pin = require_pin(root, name)
        path = _path(root, name)
        path.unlink()
        sync_path(path.parent)
        failpoint("unpin: name removed")
    return pin


def find_pin(root: Path, name: str) -> Pin | None:
    """Return the pin of that name; None if it does not exist."""
    path = _path(root, name)
    return _read(path) if NAME.fullmatch(name) and path.is_file() else None


def require_pin(root: Path, name: str) -> Pin:
    """Return the pin of that name. StoreError, with the names of all pins, if it does not exist."""
    pin = find_pin(root, name)
    if pin is None:
        pins = read_pins(root)
        known = some_of(f"{each.name} ({each.generation})" for each in pins)
        near = did_you_mean(name, [each.name for each in pins])
        raise StoreError(
            f"mirror {Path(root).absolute()}: pin {name!r} does not exist{near or ';'} pins are: "
            f"{known}."
        )
    return pin


def read_hold(root: Path) -> Hold | None:
    """Return who holds the view, since when and why; None without a hold.

    Raises:
        StoreError: the record cannot be read.
    """
    try:
        return read(Path(root) / HOLD_RECORD, Hold, "`jwmirror release` removes it")
    except FileNotFoundError:
        return None


def write_hold(root: Path, hold: Hold) -> None:
    """Durably write the record; its process must have both locks of the mirror."""
    write(Path(root) / HOLD_RECORD, hold)
    failpoint("hold: record written", Path(root) / HOLD_RECORD)


def remove_hold(root: Path) -> None:
    """Durably remove the record, also a damaged one; its process must have both locks."""
    (Path(root) / HOLD_RECORD).unlink(missing_ok=True)
    sync_path(Path(root))
    failpoint("release: record removed")


def _path(root: Path, name: str) -> Path:
    return Path(root) / "pins" / f"{name}.json"


def _read(path: Path) -> Pin:
    return read(path, Pin, "restore it from a copy of the mirror, or remove it and pin again")
