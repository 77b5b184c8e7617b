"""Stopped at any named step, a mirror stays whole and one more run brings it to its end."""

import os
import re
import shutil
from pathlib import Path

import pytest

from jwmirror.errors import StoreError
from jwmirror.failpoints import EXIT, VARIABLE
from jwmirror.store.generations import Generations
from jwmirror.store.pins import pin, pins, unpin
from jwmirror.store.pruning import prune
from jwmirror.store.retention import Policy
from jwmirror.store.rollback import roll_back
from tests.torture.mill import (
    LONG,
    Account,
    end,
    in_child,
    publish,
    result,
    shown,
    state_of,
    upstream,
)

LIBRARY = Path(__file__).parents[2] / "jwmirror"
COMMANDS = (
    "ingest", "provenance", "publish", "view", "file", "link", "lease", "rollback", "pin", "unpin",
    "prune",
)  # fmt: skip
UNTORN = {  # the file bears its name already, and is durable
    "pin: name written",
    "prune: generation given up",
    "lease: taken",
}
REFUSED = 7  # exit code of a command that told what the disk refused
ERRORS = {"ENOSPC": "No space", "EIO": "Input/output", "EROFS": "Read-only", "EDQUOT": "quota"}


def points() -> dict[str, bool]:
    """Every failpoint of those commands in the source; whether it can tear a file."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        for name, torn in re.findall(r'failpoint\(\s*"([^"]+)"(,)?', path.read_text()):
            if name.partition(":")[0] in COMMANDS:
                found[name] = found.get(name, False) or (bool(torn) and name not in UNTORN)
    return found


def actions(place: int, can_tear: bool) -> tuple[str, ...]:
    """What is done at a point; of the refusals, which go one way, one each, or all in long runs."""
    refusals = list(ERRORS) if LONG else [list(ERRORS)[place % len(ERRORS)]]
    return ("exit", *(["tear"] if can_tear else []), *refusals)


CASES = [
    (name, action)
    for place, (name, can_tear) in enumerate(sorted(points().items()))
    for action in actions(place, can_tear)
]


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A mirror in the state before, to be copied."""
    root = tmp_path_factory.mktemp("earlier") / "mirror"
    earlier(root)
    return root


def earlier(root: Path) -> None:
    """The state before: four generations."""
    for turn in range(4):
        rows = upstream(root, {"a": f"{turn}".encode(), "b": b"b"})
        publish(root, [*rows, result(root, "c", f"c{turn}".encode())])


def commands(root: Path) -> None:
    """All commands, so that the second time leaves the same as the first."""
    rows = upstream(root, {"a": b"new", "b": b"b", "d": b"d"})
    publish(root, [*rows, result(root, "c", b"new c")])
    last = Generations(root).needed_current().number
    if "paper" not in {each.name for each in pins(root)}:
        pin(root, "paper", last)
    pin(root, "draft", last)
    unpin(root, "draft")
    roll_back(root, last - 1)
    roll_back(root, last)
    prune(root, Policy(keep_last=2))


def armed(root: Path, name: str, action: str, tell) -> None:
    """The commands with a failpoint armed; the exit code tells how they ended."""
    os.environ[VARIABLE] = f"{name}={action}"
    try:
        commands(root)
    except (StoreError, OSError) as error:
        assert ERRORS[action] in str(error), error
        os._exit(REFUSED)
    assert VARIABLE not in os.environ, f"{name} was never passed"


@pytest.mark.parametrize(("name", "action"), CASES)
def test_stopped_anywhere_a_mirror_is_whole_and_goes_on(chamber, template, name, action):
    """Exit, a torn write, or a refusal at each failpoint: whole before, and the same after."""
    root = chamber / "mirror"
    shutil.copytree(template, root, symlinks=True)
    account = Account(root)
    account.allowed = set(range(100))

    code = end(*in_child(lambda tell: armed(root, name, action, tell)), account, is_killed=False)

    assert code == EXIT if action in ("exit", "tear") else code in (0, REFUSED)
    account.judge()
    commands(root)
    account.allowed = set(range(100))
    account.judge()
    current = Generations(root).needed_current().number
    assert {path.rpartition("/")[2] for path in state_of(root, current)} == {"a", "b", "c", "d"}
    assert (root / "current/upstream/jw01345/o001/a").read_bytes() == b"new"
    assert shown(root) == state_of(root, current)
    assert not list(root.glob("generations/.*")) and not list(root.glob("views/.*"))
