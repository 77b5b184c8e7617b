"""Clocks that leap ten years to and fro while two mills work on one mirror: nothing is stolen."""

import os
import subprocess
import sys
from itertools import cycle

import pytest

from jwmirror.store.generations import Generations
from tests.conftest import need
from tests.setup.mirrors import wrong_objects
from tests.torture.mill import SEED, Account
from tests.unit.test_lock import FAKETIME

TURNS = 25
LEAPS = ("-10y", "+10y", "+0")

WORK = """
import sys, time
from pathlib import Path
from tests.torture.mill import Mill
mill, years = Mill(Path(sys.argv[1]), int(sys.argv[2]), lambda word, number: None), set()
for _ in range(int(sys.argv[3])):
    mill.update()
    years.add(time.gmtime().tm_year)
print(len(years))
"""


@pytest.mark.slow
def test_leaping_clocks_steal_no_lock_and_reorder_nothing(chamber):
    """Two processes whose clocks leap all the time publish each its states, numbered in order."""
    need("" if FAKETIME else "libfaketime is not installed")
    root, clock = chamber / "mirror", chamber / "clock"
    clock.write_text(LEAPS[0])
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
    }
    mills = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(root), str(SEED + number), str(TURNS)],
            env=os.environ | faked,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]

    for leap in cycle(LEAPS):
        new = clock.with_suffix(".new")
        new.write_text(leap)
        new.rename(clock)
        try:
            mills[0].wait(0.1)
            break
        except subprocess.TimeoutExpired:
            continue
    years = [int(mill.communicate()[0]) for mill in mills]

    generations = Generations(root).all()
    assert [mill.returncode for mill in mills] == [0, 0]
    assert max(years) > 1
    assert [each.number for each in generations] == list(range(1, 2 * TURNS + 1))
    assert [each.parent or 0 for each in generations] == list(range(2 * TURNS))
    assert wrong_objects(root) == []
    account = Account(root)
    account.allowed = {2 * TURNS}
    account.judge()
