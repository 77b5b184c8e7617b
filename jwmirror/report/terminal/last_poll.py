"""Lines of the terminal that say how the last poll ended, and runs that did not publish."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from jwmirror.core.errors import command_to_run
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Doubt
from jwmirror.core.model.run import Stop
from jwmirror.report.formatting import count, minute, section
from jwmirror.report.status import Status

NAMED = 10  # programs, or parts of them, that one reason is given for
DOUBTED = "Not believed, or not readable, at the last poll; nothing of it was changed"


def troubles(status: Status, all_lines: bool) -> Iterator[Text]:
    """Yield why runs did not publish, and what the last poll did not believe."""
    last = status.last_poll
    stops = [stop for stop in last.stops if not (status.running and stop.run == status.running.run)]
    polled = [stop for stop in stops if last.asked_at and stop.run == status.run]
    lines = [_stopped(stop, status.at_work) for stop in polled]
    if failed := [stop for stop in stops if stop not in polled]:
        lines.append(_failed_polls(failed, last.asked_at, status.at_work))
    yield from (Text(line, style="bold red") for line in lines)
    groups = group_by(last.doubts, lambda doubt: (doubt.why, doubt.since))
    yield from section(DOUBTED, [_doubted(group) for group in groups.values()], all_lines)


def _failed_polls(stops: Sequence[Stop], asked_at: str, at_work: str) -> str:
    """Return words for the last polls, which were not completed."""
    last = stops[-1]
    noun = "program" if len(last.programs) == 1 else "programs"
    programs = f"{noun} {_few(list(map(str, last.programs)))}; " if last.programs else ""
    since = f" since {minute(stops[0].at)}" if stops[0].at else ""
    state = (
        f"What follows is of the poll of {minute(asked_at)}. What has changed at MAST since then "
        "is not known."
        if asked_at
        else "No poll was completed yet."
    )
    runs = count(len(stops), "run")
    return (
        f"The last poll was not completed ({programs}{runs}{since}): {_why(last, at_work)}\n{state}"
    )


def _stopped(stop: Stop, at_work: str) -> str:
    """Return words for a run that polled MAST and did not publish."""
    rule = f" in {stop.rule}" if stop.rule else ""
    return (
        f"Run {stop.run} did not publish; it stopped{rule}: {_why(stop, at_work)}\n"
        "What it downloaded and computed is kept; the next run continues there."
    )


def _why(stop: Stop, at_work: str) -> str:
    if stop.why:
        return stop.why
    end = "it is at work, or was killed" if at_work else "it was killed, or a job crashed"
    return f"{end}; see logs/{stop.run}/, and run {command_to_run()} again."


def _doubted(doubts: Sequence[Doubt]) -> str:
    """Return one line for the doubts that have a reason in common."""
    since = f", since {minute(doubts[0].since)}" if doubts[0].since else ""
    return f"{_few([doubt.scope for doubt in doubts])}{since}  [{doubts[0].why}]"


def _few(parts: Sequence[str]) -> str:
    """Return the first of some parts in words, and how many more there are."""
    more = f" and {len(parts) - NAMED:,} more" if len(parts) > NAMED else ""
    return "; ".join(parts[:NAMED]) + more
