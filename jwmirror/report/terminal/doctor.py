"""Terminal page of `jwmirror doctor`. Pure: records in, a table out."""

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jwmirror.report.diagnosis import FAIL, OK, WARN, Diagnosis

STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red"}


def diagnosis_page(diagnosis: Diagnosis) -> RenderableType:
    """Return a row for each check, and how many are ok, warn and fail."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("checked", "found", "next step"):
        table.add_column(column, overflow="fold")
    for check in diagnosis.checks:
        outcome = Text(check.outcome, style=STYLES[check.outcome])
        table.add_row(outcome, check.subject, check.found, check.step)
    counts = Counter(check.outcome for check in diagnosis.checks)
    summary = ", ".join(f"{counts[outcome]} {outcome}" for outcome in (OK, WARN, FAIL))
    return Group(table, Text(f"\n{diagnosis.mirror}: {summary}"))
