"""`jwmirror status` after a poll that failed, in whole or in part, and after a run that stopped."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Doubt, Poll, read
from jwmirror.core.model.plan import Published
from jwmirror.core.model.run import Run, Stop
from jwmirror.core.model.stored import Generation
from jwmirror.report.status import build_status
from jwmirror.report.terminal.status import plan_page, status_page
from jwmirror.services.run.session import failures_are_recorded
from jwmirror.store.runs import RunFiles
from tests.setup.records import listing

BEFORE, SINCE, LATER = (f"2026-03-0{day}T12:00:00+00:00" for day in (1, 2, 3))
POLL = Poll(listings=(listing(program=1345, asked_at=BEFORE),), changes=())
FIRST = Generation(
    number=1,
    parent=None,
    parent_sha256="",
    manifest_sha256="",
    made_at=BEFORE,
    cause="first poll",
    counts={"files": 1, "bytes": 1},
    facts={},
)
PUBLISHED = Published(generation=1, is_new=True)
DONE = Run(id="first", poll=POLL, published=PUBLISHED)
FAILED = Stop(
    run="third",
    at=LATER,
    rule="query_archive",
    why="MAST is closed for maintenance; nothing was changed; run again later.",
    programs=(1345, 2739),
)


def page(run, make=status_page, **state):
    """The lines of a page on a run."""
    console = Console(width=300, file=StringIO())
    console.print(make(replace(build_status("mirror", FIRST, (), run), **state)))
    return console.file.getvalue().splitlines()


def test_a_mirror_whose_last_run_was_right_says_when_mast_answered():
    """And nothing before that."""
    lines = page(DONE)

    assert lines[0].startswith("mirror: ")
    assert "MAST answered last: 2026-03-01 12:00 UTC" in lines
    assert lines[-1].startswith("With the config of the last run, there is nothing to recalibrate")


@pytest.mark.parametrize("make", [status_page, plan_page])
def test_failed_polls_come_first(make):
    """Since when, of which programs, why, and what the rest of the page is about."""
    stops = (Stop(run="second", at=SINCE, rule="query_archive", why="an older reason"), FAILED)

    lines = page(replace(DONE, stops=stops), make)

    assert lines[0] == (
        "The last poll was not completed (programs 1345; 2739; 2 runs since 2026-03-02 12:00 UTC): "
        f"{FAILED.why}"
    )
    assert lines[1].startswith("What follows is of the poll of 2026-03-01 12:00 UTC.")
    assert not any("nothing to recalibrate" in line for line in lines)
    assert not any("older reason" in line for line in lines)


def test_a_mirror_that_was_never_polled_says_so():
    """After a first run that failed."""
    lines = page(Run(id="third", stops=(FAILED,)))

    assert lines[0].startswith("The last poll was not completed (programs 1345; 2739; 1 run since ")
    assert lines[1] == "No poll was completed yet."


def test_a_run_that_stopped_after_its_poll_says_where_and_why():
    """It may be killed later runs that say nothing of the poll; both are reported."""
    stops = (
        Stop(run="first", at=BEFORE, rule="sync_references", why="CRDS did not answer."),
        Stop(run="second", at=SINCE),
    )

    lines = page(Run(id="first", poll=POLL, stops=stops))

    assert lines[0] == (
        "Run first did not publish; it stopped in sync_references: CRDS did not answer."
    )
    assert lines[2].startswith(
        "The last poll was not completed (1 run since 2026-03-02 12:00 UTC): it was "
    )
    assert "logs/second/, and run `jwmirror run` again" in lines[2]


def test_a_run_at_work_is_not_called_killed():
    """The lock of the mirror has an owner."""
    run = Run(id="first", poll=POLL, stops=(Stop(run="first", at=BEFORE),))

    lines = page(run, at_work="run first, since 12:00")

    assert "it is at work, or was killed" in lines[0]


def test_doubts_of_the_last_poll_come_first():
    """Those with one reason on one line; not once more among the failures."""
    doubts = (
        Doubt(program=1345, instrument="NIRCAM", why="its table is empty", since=SINCE),
        Doubt(program=1345, instrument="MIRI", why="its table is empty", since=SINCE),
        Doubt(program=2739, why="HTTP 504"),
    )

    lines = page(replace(DONE, poll=replace(POLL, doubts=doubts)))

    assert lines[1:4] == [
        "Not believed, or not readable, at the last poll; nothing of it was changed (2)",
        "  program 1345, NIRCAM; program 1345, MIRI, since 2026-03-02 12:00 UTC  "
        "[its table is empty]",
        "  program 2739  [HTTP 504]",
    ]
    assert not any(line.startswith("Failed") for line in lines)
    assert not any("nothing to recalibrate" in line for line in lines)


def test_what_ends_a_job_is_recorded(tmp_path):
    """The error goes on; a job that ends well records nothing."""
    with failures_are_recorded(tmp_path / "ok", "query_archive"):
        pass
    with (
        pytest.raises(ArchiveError, match="maintenance"),
        failures_are_recorded(tmp_path / "run", "query_archive", [2739, 1345, 1345]),
    ):
        raise ArchiveError("maintenance")

    stop = read(RunFiles(tmp_path / "run").stopped, Stop)

    assert not (tmp_path / "ok").exists()
    assert (stop.run, stop.rule, stop.why) == ("run", "query_archive", "maintenance")
    assert (stop.programs, stop.is_limit) == ((1345, 2739), False)


def test_the_error_of_a_job_is_not_hidden_by_a_full_disk(tmp_path):
    """The record cannot be written; the job fails with its first error."""
    (tmp_path / "run").touch()

    with (
        pytest.raises(ArchiveError, match="maintenance"),
        failures_are_recorded(tmp_path / "run", "query_archive"),
    ):
        raise ArchiveError("maintenance")
