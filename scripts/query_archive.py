"""Ask MAST what the selected programs have, and how that differs from the mirror."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Search, Selection, parse
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
        vanish_limit=snakemake.params.vanish_limit,
        accept_vanished=parse(snakemake.params.accept_vanished, tuple[int, ...]),
        recheck=snakemake.params.recheck,
        keep_free=snakemake.params.keep_free,
        when_deselected=snakemake.params.when_deselected,
        fetch_gb=snakemake.params.fetch_gb,
        accept_refused=parse(snakemake.params.accept_refused, tuple[str, ...]),
    )
