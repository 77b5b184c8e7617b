"""Random switches of the simulated archive: what is published is right, or named."""

import random

import pytest

from jwmirror.core.model import Poll, read
from jwmirror.core.model.plan import SettleResult
from jwmirror.store.runs import last_run, read_undecided
from jwmirror_simulator.mast import Oddities
from tests.setup.odd_archives import EXCLUSIVE, present, published, reprocess, runs_on_toys
from tests.setup.runs import Runs
from tests.torture.mill import SEED, times

CASES = times(4, 200)
SWITCHES = {
    "keyword_rows": ["all", "highest", "none"],
    "two_rows": ["no", "new first", "old first"],
    "own_obsids": [True, False],
    "dates": ["iso", "ms", "zoned"],
    "page_limit": [50_000, 11],
    "group_limit": [0, 1],
    "group_failure": ["504", "500", "ERROR"],
    "polls": [0, 1],
    "absent_tables": [(), (), ("Miri",)],
    "empty_tables": [(), (), ("Nircam",)],
    "absent_columns": [(), ("sdp_ver",), ("checksum", "fileSize"), ("prvversion", "size")],
    "unknown_column": ["ERROR", "500", "ignored"],
    "etag": ["strong", "weak", "none", "random", "replicas", "constant"],
    "last_modified": [True, False],
    "length": ["sent", "chunked", "none"],
    "ranges": [206, 200, 400, 403, 405, 501],
    "heads": [True, False],
    "token": ["valid", "expired", "refused"],
    "withheld": [401, 403],
    "odd_cells": [
        {},
        {"fileSize": -1, "date": "N/A"},
        {"crds_ctx": None, "cal_ver": "N/A"},
        {"date": "", "date_mjd": float("nan")},
        {"checksum": "null", "isStale": "N/A", "detector": ""},
        {"obsID": "N/A", "productType": None, "dataRights": "PUBLIC_", "publicReleaseDate": "x"},
    ],
}


def random_oddities(dice: random.Random) -> Oddities:
    """Return switches of random values."""
    return Oddities(**{name: dice.choice(values) for name, values in SWITCHES.items()})


def named(runs: Runs, number: int) -> set[str]:
    """Return the files that a run names as undecided, as withheld, or as waiting for others."""
    waiting = read(runs.files(number).settling, SettleResult).waiting
    uris = {*read_undecided(runs.mirror), *waiting}
    return {*(uri.rpartition("/")[2] for uri in uris), *last_run(runs.mirror).withheld}


@pytest.mark.parametrize("seed", range(CASES))
def test_each_file_is_the_present_one_or_is_named(seed, tmp_path, port, process):
    """After reprocessing, with other switches than in the first run in every second case."""
    dice = random.Random(SEED * 1000 + seed)
    with runs_on_toys(tmp_path, port, process) as runs:
        first = runs.archive.oddities = random_oddities(dice)
        runs.run(1)
        before, truth_before = published(runs.mirror), present(runs.archive)
        explained = [named(runs, 1)]
        reprocess(runs.archive)
        runs.archive.oddities = random_oddities(dice) if seed % 2 else first
        runs.run(2)
        after, truth = published(runs.mirror), present(runs.archive)
        explained.append(named(runs, 2))

    doubts = [read(runs.files(number).poll, Poll).doubts for number in (1, 2)]
    absent = {name for name in truth_before if name not in before}
    former = {name for name in truth if after.get(name) != truth[name]}
    assert before.items() - truth_before.items() <= {(EXCLUSIVE, before.get(EXCLUSIVE))}
    assert all(after.get(name) == before.get(name) for name in former)
    assert doubts[0] or absent <= explained[0]
    assert doubts[1] or former <= explained[1]
