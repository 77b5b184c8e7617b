"""Progress: bytes, files, rate and time left, on a terminal and in a log."""

import io
import logging
import sys

import pytest

from jwmirror.core.printing import duration
from jwmirror.net import progress
from jwmirror.net.progress import WINDOW_S, Progress, terminal


class Terminal(io.StringIO):
    """Text that claims to be a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.fixture
def at_once(monkeypatch):
    """Every line is due, and the terminal is a capable one."""
    monkeypatch.setattr(progress, "LOG_S", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def test_a_terminal_shows_one_line_that_is_redrawn_and_cleared(at_once):
    """Files and bytes are shown in one line; at the end it is erased."""
    screen = Terminal()

    with Progress(4, 8_000_000, screen) as counted:
        counted.add(2_000_000)
        counted.add_file()

    assert "1 of 4 files" in screen.getvalue()
    assert "2.0/8.0 MB" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")


def test_the_live_line_is_removed_when_the_download_fails(at_once, caplog):
    """An error ends the live line too; the log gets no summary of what did not end well."""
    caplog.set_level(logging.INFO, logger="jwmirror")
    screen = Terminal()

    with pytest.raises(OSError), Progress(4, 8_000_000, screen):
        raise OSError("the disk is full")

    assert screen.getvalue().endswith("\x1b[2K")
    assert not caplog.messages


def test_a_log_gets_plain_lines(at_once, caplog):
    """In a log there are whole lines without control characters, the last one with the total."""
    caplog.set_level(logging.INFO, logger="jwmirror")
    output = io.StringIO()

    with Progress(2, 1_000_000, output) as counted:
        counted.add(500_000)
        counted.add_file()
        counted.log_if_due()
        counted.add(500_000)
        counted.add_file()

    assert "downloaded 1 of 2 files, 0.5 of 1.0 MB" in caplog.messages[0]
    assert caplog.messages[0].endswith(" left")
    assert caplog.messages[-1].startswith("downloaded 2 of 2 files, 1.0 of 1.0 MB")
    assert "\x1b" not in "".join(caplog.messages) + output.getvalue()


def test_discarded_bytes_are_counted_back(caplog):
    """A file that is fetched again is not counted twice."""
    caplog.set_level(logging.INFO, logger="jwmirror")

    with Progress(1, 2_000_000) as counted:
        counted.add(2_000_000)
        counted.add(-2_000_000)
        counted.add(1_000_000)

    assert "1.0 of 2.0 MB" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (4.4, "4 s"),
        (99, "99 s"),
        (99.5, "2 min"),
        (125, "2 min"),
        (5940, "99 min"),
        (6000, "1 h 40 min"),
        (11_100, "3 h 5 min"),
    ],
)
def test_times_are_given_in_the_units_people_use(seconds, words):
    """Seconds, minutes, hours and minutes."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("files", "size", "rate", "left"),
    [
        (1, 50, 10.0, ", 5 s left"),
        (1, 99, 0.5, ", 2 s left"),
        (1, 100, 10.0, ""),
        (1, 50, 0.0, ""),
        (2, 50, 10.0, ""),
    ],
)
def test_the_time_left_is_told_where_it_is_known(files, size, rate, left):
    """Not without a rate, nor when all files or all bytes are there."""
    counted = Progress(2, 100)
    counted.add(size)
    for _ in range(files):
        counted.add_file()

    assert counted._summary(rate).partition("MB/s")[2] == left


class Clock:
    """A clock that shows what the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock of progress and of the bar."""
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    monkeypatch.setattr("rich.console.monotonic", clock)
    return clock


def test_counts_are_there_for_heartbeats(clock):
    """Files, bytes, and the rate of the last seconds, which is never below zero."""
    with Progress(2, 4_000_000) as counted:
        rates = [counted.rate]
        clock.now = 4.0
        counted.add(2_000_000)
        counted.add_file()
        rates.append(counted.rate)
        counted.add(-500_000)

    assert (counted.files, counted.bytes, rates) == (1, 1_500_000, [0.0, 500_000.0])


def test_lines_come_every_five_seconds_with_the_rate_since_the_start(clock, caplog):
    """The last one has the mean rate of the whole download."""
    caplog.set_level(logging.INFO, logger="jwmirror")

    with Progress(2, 4_000_000) as counted:
        for clock.now, size in ((4.0, 2_000_000), (4.9, 0), (5.0, 0), (9.9, 0), (14.0, 2_000_000)):
            counted.add(size) if size else None
            counted.log_if_due()

    counts = "downloaded 0 of 2 files, "
    assert caplog.messages[0] == f"{counts}2.0 of 4.0 MB, 0.5 MB/s, 4 s left"
    assert caplog.messages[1] == f"{counts}4.0 of 4.0 MB, 0.2 MB/s"
    assert caplog.messages[2] == f"{counts}4.0 of 4.0 MB, 0.3 MB/s"
    assert len(caplog.messages) == 3


def test_a_rate_that_is_not_known_is_zero(clock, caplog):
    """Before the first byte, and after more were discarded than came."""
    caplog.set_level(logging.INFO, logger="jwmirror")

    with Progress(1, 1_000_000) as counted:
        clock.now = 5.0
        counted.log_if_due()
        counted.add(-500_000)
        clock.now = 10.0
        counted.log_if_due()

    assert [", 0.0 MB/s" in message for message in caplog.messages] == [True, True, False]


def test_a_download_that_takes_no_time_has_a_rate(clock, caplog):
    """As the clock may stand still between two looks."""
    caplog.set_level(logging.INFO, logger="jwmirror")

    with Progress(1, 1_000_000) as counted:
        counted.add(1_000_000)

    assert caplog.messages[-1].endswith("1.0 of 1.0 MB, 1000.0 MB/s")


def test_the_bar_begins_with_nothing_and_leaves_the_output_of_others_alone(at_once):
    """What is printed meanwhile is not taken up by the bar; without a terminal there is no bar."""
    output, errors = sys.stdout, sys.stderr
    with Progress(4, 8, Terminal()) as counted:
        assert (sys.stdout, sys.stderr) == (output, errors)
        task = counted._bar.tasks[0]
        assert (task.total, task.completed) == (8, 0)
        assert task.fields == {"files": 0, "expected": 4}
        assert counted._bar.speed_estimate_period == WINDOW_S
        assert not counted._bar.disable

    for other in (None, io.StringIO()):
        assert Progress(4, 8, other)._bar.disable


def test_standard_error_is_a_terminal_or_is_not_used(monkeypatch):
    """A process without standard error has none."""
    screen = Terminal()

    for stream, expected in ((screen, screen), (io.StringIO(), None), (None, None)):
        monkeypatch.setattr(sys, "__stderr__", stream)
        assert terminal() is expected
