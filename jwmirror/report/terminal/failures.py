"""Terminal page of `jwmirror failures`. Pure: records in, text out."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.errors import command_to_run
from jwmirror.report.failures import FailureList, ListedFailure
from jwmirror.report.formatting import count

SHOWN = 10  # failures, unless the user wants all
BRIEF = 5  # last lines of a log, unless the user wants all


def failures_page(listed: FailureList, all_lines: bool) -> RenderableType:
    """Return a paragraph for each failure, and how many there are."""
    if listed.run is None:
        mirror = Path(listed.mirror).absolute()
        return Text(f"mirror {mirror}: no run was made yet; {command_to_run()} makes one.")
    shown = listed.failures if all_lines else listed.failures[:SHOWN]
    more = len(listed.failures) - len(shown)
    parts = [part for failure in shown for part in _paragraph(failure, all_lines)]
    if more:
        parts.append(Text(f"\n... and {more:,} more; --all lists them", style="dim"))
    at_work = f"; at work: {listed.at_work}" if listed.at_work else ""
    summary = f"Run {listed.run} of {listed.mirror}: {count(len(listed.failures), 'failure')}"
    return Group(*parts, Text(f"\n{summary}{at_work}."))


def _paragraph(failure: ListedFailure, all_lines: bool) -> Iterator[Text]:
    yield Text(f"\n{failure.name}", style="bold red")
    yield Text(f"  why: {failure.why.removeprefix(f'{failure.name}: ')}")
    yield Text(f"  retry: {failure.retry}")
    if failure.job:
        number = f", scheduler's id {failure.scheduler_id}" if failure.scheduler_id else ""
        host = f", on {failure.host}" if failure.host else ""
        yield Text(f"  job: {failure.job}{number}{host}")
    if failure.log:
        yield Text(f"  log: {failure.log}")
    if failure.scheduler_log:
        yield Text(f"  scheduler's log: {failure.scheduler_log}")
    for line in failure.last_lines if all_lines else failure.last_lines[-BRIEF:]:
        yield Text(f"    {line}", style="dim")
