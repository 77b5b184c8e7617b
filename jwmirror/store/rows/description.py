"""The record of a generation, from the rows that it will have. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime

from jwmirror.core.model.history.causes import Cause, in_one_line
from jwmirror.core.model.stored import Generation
from jwmirror.store.manifest import Entries
from jwmirror.store.rows.differences import RowDifferences, row_differences

Explain = Callable[[Entries, Entries, RowDifferences], tuple[Cause, ...]]


def describe_generation(
    cause: str, facts: dict[str, str], explain: Explain, before: Entries, rows: Entries
) -> Generation:
    """Return the record of rows to publish, without number, parent and sha256 of the manifest."""
    causes = explain(before, rows, differing := row_differences(before, rows))
    return Generation(
        number=0,
        parent=None,
        parent_sha256="",
        manifest_sha256="",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        cause=cause or in_one_line(causes),
        counts={"files": len(rows), "bytes": sum(rows.column("size")), **differing.counts},
        facts=facts,
        causes=causes,
    )
