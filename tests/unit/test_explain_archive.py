"""`jwmirror explain` says what is open about MAST's version of a file."""

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.services.inspect.explain import explain_file
from jwmirror_simulator.mast import Oddities, faults
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.setup.odd_archives import FIRST, MIRI, SECOND, runs_on_toys

LATE = "jw01345001001_02101_00009_nrcb1_cal.fits"


@pytest.fixture
def mirror(tmp_path, port, process):
    """A mirror after a run that refused two files, doubts MIRI, and could not decide on rates."""
    with runs_on_toys(tmp_path, port, process) as runs:
        runs.run(1)
        runs.archive.reprocess(f"{FIRST}_cal.fits", edits.same_size)
        runs.archive.publish(toy_fits(tmp_path, LATE))
        for name in (f"{FIRST}_cal.fits", LATE):
            runs.archive.fault(name, faults.wrong_bytes())
        runs.archive.oddities = Oddities(
            keyword_rows="highest", etag="none", absent_tables=("Miri",)
        )
        runs.run(2)
        yield runs.mirror


def test_a_file_that_is_refused_doubted_or_undecided_is_called_so(mirror):
    """With the reason, and what can be done."""
    words = {}
    for name in (
        f"{FIRST}_cal.fits",
        f"{MIRI}_rate.fits",
        f"{SECOND}_rate.fits",
        f"{SECOND}_cal.fits",
    ):
        (explanation,) = explain_file(mirror, name, None, None, ()).files
        words[name] = explanation.at_mast

    refused, doubted, undecided, nothing = words.values()
    assert "refused: " in refused[0] and "expected" in refused[0]
    assert doubted[0].startswith("doubted: program 1345, MIRI: ")
    assert undecided[0].startswith("undecided: ") and "recheck_gb_per_run" in undecided[0]
    assert nothing == ()


def test_a_file_that_was_refused_from_the_first_is_called_so(mirror):
    """It is not in the mirror; the error has the reason."""
    with pytest.raises(StoreError, match=r"refused: .*expected .*; it is not in generation"):
        explain_file(mirror, LATE, None, None, ())
