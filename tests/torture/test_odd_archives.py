"""Random switches of the simulated archive: what is published is right, or named."""

import random

import pytest

from jwmirror.core.model import Poll, read
from jwmirror.core.model.plan import SettleResult
from jwmirror.store.runs import read_undecided
from jwmirror_simulator.mast import Oddities
from tests.setup.odd_archives import present, published, reprocess, runs_on_toys
from tests.setup.runs import Runs
from tests.torture.mill import times

CASES = times(4, 200)
SWITCHES = {
    "keyword_rows": ["all", "highest", "none"],
    "two_rows": ["no", "new first", "old first"],
    "own_obsids": [True, False],
    "dates": ["iso", "ms", "zoned"],
    "page_limit": [50_000, 11],
    "group_limit": [0, 1],
    "etag": ["strong", "weak", "none", "random", "replicas", "constant"],
    "last_modified": [True, False],
    "length": ["sent", "chunked", "none"],
    "ranges": [206, 200, 403],
    "token": ["valid", "expired", "refused"],
    "withheld": [401, 403],
    "odd_cells": [
        {},
        {"fileSize": -1, "date": "N/A"},
        {"crds_ctx": None, "cal_ver": "N/A"},
        {"date": "", "date_mjd": float("nan")},
    ],
}


def random_oddities(dice: random.Random) -> Oddities:
    """Return switches of random values."""
    return Oddities(**{name: dice.choice(values) for name, values in SWITCHES.items()})


def named(runs: Runs, number: int) -> set[str]:
    """Return the files that a run names as undecided, or as waiting for others."""
    waiting = read(runs.files(number).settling, SettleResult).waiting
    return {uri.rpartition("/")[2] for uri in {*read_undecided(runs.mirror), *waiting}}


@pytest.mark.parametrize("seed", range(CASES))
def test_each_file_is_the_present_one_or_is_named(seed, tmp_path, port, process):
    """After reprocessing, with other switches than in the first run in every second case."""
    dice = random.Random(seed)
    with runs_on_toys(tmp_path, port, process) as runs:
        first = runs.archive.oddities = random_oddities(dice)
        runs.run(1)
        before, truth_before = published(runs.mirror), present(runs.archive)
        reprocess(runs.archive)
        runs.archive.oddities = random_oddities(dice) if seed % 2 else first
        runs.run(2)
        after, truth = published(runs.mirror), present(runs.archive)

    is_doubted = bool(read(runs.files(2).poll, Poll).doubts)
    former = {name for name in truth if after.get(name) != truth[name]}
    assert truth_before.items() <= before.items()
    assert all(after.get(name) == before.get(name) for name in former)
    assert is_doubted or former <= named(runs, 2)
