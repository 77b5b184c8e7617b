"""Progress: bytes, files, rate and time left, on a terminal and in a log."""

import io
import logging

import pytest

from jwmirror.net import progress
from jwmirror.net.progress import Progress, duration


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.fixture
def at_once(monkeypatch):
    """Every picture is due."""
    monkeypatch.setattr(progress, "LOG_S", 0.0)
    monkeypatch.setattr(progress, "LIVE_S", 0.0)


def test_a_terminal_shows_one_line_that_is_redrawn_and_cleared(at_once):
    """Files, bytes, rate and time left stand in one line; at the end it is gone."""
    terminal = Terminal()
    told = Progress(4, 8_000_000, terminal)

    told.add(2_000_000)
    told.add_file()
    told.tell()
    shown = terminal.getvalue()
    told.conclude()

    assert "downloaded 1 of 4 files, 2.0 of 8.0 MB" in shown
    assert "MB/s" in shown and shown.endswith(" left")
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_log_gets_plain_lines(at_once, caplog):
    """In a log there are whole lines without control characters, the last one with the total."""
    caplog.set_level(logging.INFO, logger="jwmirror")
    told = Progress(1, 1_000_000, io.StringIO())

    told.add(500_000)
    told.tell()
    told.add(500_000)
    told.add_file()
    told.conclude()

    assert "0.5 of 1.0 MB" in caplog.messages[0]
    assert caplog.messages[-1].startswith("downloaded 1 of 1 files, 1.0 of 1.0 MB")
    assert "\x1b" not in "".join(caplog.messages)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.4, "4 s"), (99, "99 s"), (125, "2 min"), (5900, "98 min"), (11_100, "3 h 5 min")],
)
def test_times_are_told_in_the_units_people_use(seconds, words):
    """Seconds, minutes, hours and minutes."""
    assert duration(seconds) == words
