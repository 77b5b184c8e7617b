"""Progress: bytes, files, rate and time left, on a terminal and in a log."""

import io
import logging

import pytest

from jwmirror.net import progress
from jwmirror.net.progress import Progress, duration


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
    terminal = Terminal()

    with Progress(4, 8_000_000, terminal) as counted:
        counted.add(2_000_000)
        counted.add_file()

    assert "1 of 4 files" in terminal.getvalue()
    assert "2.0/8.0 MB" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")


def test_the_live_line_is_removed_when_the_download_fails(at_once, caplog):
    """An error ends the live line too; the log gets no summary of what did not end well."""
    caplog.set_level(logging.INFO, logger="jwmirror")
    terminal = Terminal()

    with pytest.raises(OSError), Progress(4, 8_000_000, terminal):
        raise OSError("the disk is full")

    assert terminal.getvalue().endswith("\x1b[2K")
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
    [(4.4, "4 s"), (99, "99 s"), (125, "2 min"), (5900, "98 min"), (11_100, "3 h 5 min")],
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
