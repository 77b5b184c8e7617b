"""What reports are made of: records of runs, counts, sizes and tables."""

import io
import shutil

import pytest
from rich.console import Console

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Doubt, Entry, Failure, Poll
from jwmirror.report import formatting
from jwmirror.report.formatting import empty_table
from jwmirror.report.history import build_history
from jwmirror.report.status import count_files
from jwmirror.store.generations import Generations
from jwmirror.store.runs import last_run

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"


def test_no_run_on_record_is_no_error(tmp_path):
    """A mirror on which the workflow never ran has no last run."""
    assert last_run(tmp_path) is None


def test_a_run_that_was_stopped_early_is_read_as_far_as_it_came(small_mirror):
    """Records that are missing are empty; a damaged one is an error."""
    for name in ("changes.json", "plan-associations-3.json", "references.json"):
        (small_mirror.run_folder / name).unlink()

    run = last_run(small_mirror.root)

    assert (run.poll, run.references, run.published) == (None, None, None)
    assert run.changes == ()
    assert {chain.product for chain in run.chains} == {EXPOSURE, "late_exposure"}
    (small_mirror.run_folder / "changes.json").write_text("{")
    with pytest.raises(StoreError, match=r"changes\.json: not as jwmirror writes it"):
        last_run(small_mirror.root)


def test_holdings_count_by_folder_and_kind():
    """Files, bytes and vanished ones per origin, program, observation and suffix."""
    folder = "upstream/jw01345/o001"
    rows = [
        (f"{folder}/a_uncal.fits", 3, "held", ""),
        (f"{folder}/b_uncal.fits", 4, "vanished", ""),
    ]

    (count,) = count_files(rows)

    assert (count.origin, count.program, count.observation) == ("upstream", "jw01345", "o001")
    assert (count.suffix, count.files, count.bytes, count.vanished) == ("uncal", 2, 7, 1)


def test_history_lists_the_ancestors_of_the_current_generation(small_mirror):
    """A generation that was set aside is listed, and is not in the line."""
    for number in range(2):
        path = f"upstream/jw01345/o001/{number}"
        first = next(iter(small_mirror.rows.values()))
        small_mirror.rows[path] = Entry(
            path=path, origin="upstream", sha256=first.sha256, size=first.size
        )
        small_mirror.publish(f"more {number}")
    generations = Generations(small_mirror.root)

    history = build_history("m", generations.read(1), generations.all())

    assert history.line == (1,)
    assert [generation.number for generation in history.generations] == [3, 2, 1]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (21_340_000, "21.3 MB")]
)
def test_sizes_have_three_digits(count, text):
    """Bytes are given in decimal units."""
    assert formatting.size(count) == text


def test_times_are_given_to_the_minute():
    """An ISO time in UTC, as one reads it."""
    assert formatting.minute("2026-03-01T12:30:59+00:00") == "2026-03-01 12:30 UTC"


def test_a_listing_that_is_not_believed_is_a_failure_of_the_run(small_mirror):
    """A listing in doubt is read back as written, and is among the failures."""
    doubt = Doubt(program=1345, observation="o001", why="17 of 18 vanished")
    poll = Poll(listings=(), changes=(), doubts=(doubt,))
    small_mirror.record("changes.json", poll)

    run = last_run(small_mirror.root)

    assert run.poll == poll
    assert Failure("MAST's listing, program 1345, observation o001", doubt.why) in run.failures


def test_a_narrow_terminal_cuts_no_name_of_a_column_that_is_to_stay_whole():
    """Other columns are folded first: a name that is cut cannot be copied into a config."""
    name = "three_group_rejection_threshold"
    table = empty_table("Parameters", "parameter", "what it does", whole=("parameter",))
    table.add_row(name, "words " * 30)
    console = Console(width=50, file=io.StringIO())

    console.print(table)

    assert name in console.file.getvalue()
