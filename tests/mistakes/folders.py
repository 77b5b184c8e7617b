"""Folders of users: with a config, with a mirror, with odd files."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.pins import add_pin
from tests.setup.mirrors import SmallMirror
from tests.setup.small_mirror import fill

CONFIG = "config/config.yaml"
START = """\
mirror: mirror
programs: [1345]
"""

Prepare = Callable[[Path], object]


def config(text: str | bytes, *others: Prepare, name: str = CONFIG) -> Prepare:
    """Prepare a folder with a config, and with what others make."""

    def prepare(folder: Path) -> None:
        file(name, dedent(text) if isinstance(text, str) else text)(folder)
        for other in others:
            other(folder)

    return prepare


def more(text: str, *others: Prepare) -> Prepare:
    """Prepare a folder with a config that is right up to line 2, with further keys after it."""
    return config(START + dedent(text), *others)


def file(name: str, content: str | bytes = "") -> Prepare:
    """Prepare a file."""

    def prepare(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return prepare


def filled_mirror(folder: Path) -> None:
    """Prepare a mirror: generation 1 is pruned, 2 is named paper, 3 is the current one."""
    mirror = SmallMirror(root=folder / "mirror")
    fill(mirror)
    for number in (2, 3):
        mirror.hold(f"jw01345001001_02101_0000{number}_nrcb1_uncal.fits", _toy)
        mirror.publish(f"run of 2026-03-0{number}")
    add_pin(mirror.root, "paper", 2)
    prune(mirror.root, RetentionPolicy(keep_last=1))


def _toy(path: Path) -> None:
    path.write_bytes(b"toy")


with_mirror = more("recipes: {deep: {}, wide: {}}\n", filled_mirror)
