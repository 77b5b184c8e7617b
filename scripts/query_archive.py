"""Ask MAST what the selected programs have, and how that differs from the mirror."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Search, Selection, parse
from jwmirror.services.kept.unchanged_run import RunConditions, record_if_unchanged
from jwmirror.services.run.query import query_archive
from jwmirror.services.run.session import failures_are_recorded

log_to(snakemake.log[0])
run = Path(snakemake.params.run)
selections = parse(snakemake.params.selections, tuple[Selection, ...])
with failures_are_recorded(run, "query_archive", [each.program for each in selections]):
    query_archive(  # which writes both records itself, before it forgets the events that it used
        mirror=Path(snakemake.params.mirror),
        run=run,
        url=snakemake.params.url,
        token_socket=snakemake.params.token_socket,
        token_variable=snakemake.params.token_variable,
        downloads=snakemake.params.downloads,
        selections=selections,
        searches=parse(snakemake.params.searches, tuple[Search, ...]),
        accept_vanished=parse(snakemake.params.accept_vanished, tuple[int, ...]),
        when_deselected=snakemake.params.when_deselected,
        **snakemake.params.limits,
        accept_refused=parse(snakemake.params.accept_refused, tuple[str, ...]),
    )
    conditions = parse(snakemake.params.conditions, RunConditions)
    record_if_unchanged(Path(snakemake.params.mirror), run, conditions)
