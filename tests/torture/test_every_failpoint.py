"""Stopped at any named step, a mirror stays whole and one more run brings it to its end."""

import os
import re
import shutil
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import EXIT, VARIABLE
from tests.torture.commands import COMMANDS, facts, judge
from tests.torture.mill import LONG, buried, in_child

LIBRARY = Path(__file__).parents[2] / "jwmirror"
REFUSED = 7  # exit code of a command that told what the disk refused
ERRORS = {"ENOSPC": "No space", "EIO": "Input/output", "EROFS": "Read-only", "EDQUOT": "quota"}


def points() -> dict[str, bool]:
    """Every failpoint in the source; whether it can tear a file."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        for name, torn in re.findall(r'\bfailpoint\(\s*"([^"]+)"(,)?', path.read_text()):
            found[name] = found.get(name, False) or bool(torn)
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


def armed(do, root: Path, name: str, action: str, tell) -> None:
    """A command with a failpoint armed; the exit code tells how it ended."""
    os.environ[VARIABLE] = f"{name}={action}"
    try:
        do(root)
    except StoreError as error:
        assert ERRORS[action] in str(error), error
        os._exit(REFUSED)
    assert VARIABLE not in os.environ, f"{name} was never passed"


def test_every_failpoint_is_on_the_way_of_a_command(undisturbed):
    """There is none in the source that the tests below would not meet."""
    assert frozenset(points()) == frozenset().union(*(each.passed for each in undisturbed.values()))


@pytest.mark.parametrize(("name", "action"), CASES)
def test_stopped_anywhere_a_mirror_is_whole_and_goes_on(chamber, undisturbed, name, action):
    """Exit, a torn write, or a refusal at each failpoint of each command that passes it."""
    for word, known in undisturbed.items():
        if name not in known.passed:
            continue
        do, root = COMMANDS[word].do, chamber / word / "mirror"
        shutil.copytree(known.place, root.parent, symlinks=True)

        child, told = in_child(lambda tell, do=do, root=root: armed(do, root, name, action, tell))
        os.close(told)
        code = buried(child)

        assert code == EXIT if action in ("exit", "tear") else code in (0, REFUSED), word
        judge(root, known.before, known.after)
        do(root)
        assert facts(root) == known.after, word
        assert not [*root.glob("generations/.*"), *root.glob("views/.*"), *root.parent.glob(".*")]
