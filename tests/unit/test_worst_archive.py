"""The switches of the simulated archive at their worst, many at once: nothing wrong or lost."""

from dataclasses import replace

import pytest

from jwmirror.core.errors import ArchiveError
from jwmirror.services.inspect.status import mirror_status
from jwmirror.store.runs import read_undecided
from jwmirror_simulator.mast import Oddities
from jwmirror_simulator.mast.storage import edits
from tests.setup.odd_archives import FIRST, MIRI, present, published, reprocess, runs_on_toys

ODD = Oddities(
    keyword_rows="highest",
    two_rows="old first",
    own_obsids=True,
    absent_columns=("sdp_ver", "texptime"),
    unknown_column="ERROR",
    odd_cells={
        "calib_level": "N/A",
        "fileSize": "N/A",
        "isStale": "N/A",
        "pupil": "null",
        "publicReleaseDate_mjd": float("nan"),
        "publicReleaseDate": "/Date(1700000000000+0000)/",
        "subarray": -1,
    },
    dates="zoned",
    page_limit=9,
    group_limit=1,
    group_failure="ERROR",
    polls=1,
    etag="random",
    last_modified=False,
    length="none",
    ranges=501,
    heads=False,
    withheld=403,
    token="refused",
    trickle=500_000.0,
)


@pytest.fixture
def runs(tmp_path, port, process):
    """Runs on a small archive, and a mirror that is empty."""
    with runs_on_toys(tmp_path, port, process) as runs:
        yield runs


def test_reprocessing_is_noticed_among_odd_answers(runs):
    """What nothing shows is undecided until its bytes are read; all else is new at once."""
    runs.archive.oddities = ODD
    _, _, first = runs.run(1)
    before, former_truth = published(runs.mirror), present(runs.archive)
    silent = reprocess(runs.archive)

    runs.archive.oddities = replace(ODD, two_rows="new first", etag="replicas")
    _, _, conclusion = runs.run(2)
    after = published(runs.mirror)
    _, _, unchanged = runs.run(3)

    unchanged_files = published(runs.mirror)
    undecided = {uri.rpartition("/")[2] for uri in read_undecided(runs.mirror)}
    status = mirror_status(runs.mirror, None)
    runs.recheck = 1_000_000
    runs.run(4)

    truth = present(runs.archive)
    assert before == former_truth
    assert after == truth | {name: before[name] for name in silent}
    assert silent <= undecided
    assert status.undecided.files == len(undecided)
    assert (first.error, conclusion.error) == ("", "")
    assert "is unchanged" in unchanged.summary
    assert unchanged_files == after
    assert published(runs.mirror) == truth


def test_what_is_missing_keeps_its_former_state(runs):
    """Of tables that are unknown, cut or a page of maintenance nothing is taken or lost."""
    runs.archive.oddities = replace(ODD, etag="none")
    runs.run(1)
    first = published(runs.mirror)
    for name in (f"{MIRI}_rate.fits", f"{FIRST}_cal.fits"):
        runs.archive.reprocess(name, edits.same_size)
    truth = present(runs.archive)

    runs.archive.oddities = replace(ODD, absent_tables=("Miri",))
    _, _, without_table = runs.run(2)
    partly = published(runs.mirror)
    runs.archive.oddities = replace(ODD, page_limit=5, cut_at_page=True)
    with pytest.raises(ArchiveError, match="may have been cut off"):
        runs.run(3)
    runs.archive.oddities = replace(ODD, maintenance=("portal",))
    with pytest.raises(ArchiveError, match="maintenance"):
        runs.run(4)
    at_the_worst = published(runs.mirror)
    runs.archive.oddities = ODD
    _, _, whole = runs.run(5)

    assert partly == truth | {f"{MIRI}_rate.fits": first[f"{MIRI}_rate.fits"]}
    assert at_the_worst == partly
    assert "program 1345, MIRI" in without_table.error
    assert published(runs.mirror) == truth
    assert whole.error == ""


def test_a_file_that_becomes_public_may_have_changed_as_well(runs):
    """Its release shows nothing of its bytes: it is undecided, like the others without a row."""
    rate = f"{FIRST}_rate.fits"
    runs.archive.oddities = Oddities(keyword_rows="highest", etag="none")
    runs.archive.restrict(rate)
    runs.run(1)
    runs.archive.reprocess(rate, edits.same_size)
    runs.archive.release(rate)

    runs.run(2)

    undecided = {uri.rpartition("/")[2] for uri in read_undecided(runs.mirror)}
    is_present = published(runs.mirror)[rate] == runs.archive.path(rate).read_bytes()
    assert is_present or rate in undecided
