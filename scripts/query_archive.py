"""Ask MAST what the selected programs have, and how that differs from the mirror."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Selection, parse
from jwmirror.services.run.query import query_archive
from jwmirror.services.run.session import limits_end_the_job

log_to(snakemake.log[0])
with limits_end_the_job(Path(snakemake.params.run)):
    query_archive(  # which writes both records itself, before it forgets the events that it used
        mirror=Path(snakemake.params.mirror),
        run=Path(snakemake.params.run),
        url=snakemake.params.url,
        token_socket=snakemake.params.token_socket,
        downloads=snakemake.params.downloads,
        selections=parse(snakemake.params.selections, tuple[Selection, ...]),
        vanish_limit=snakemake.params.vanish_limit,
        accept_vanished=parse(snakemake.params.accept_vanished, tuple[int, ...]),
        keep_free=snakemake.params.keep_free,
        when_deselected=snakemake.params.when_deselected,
        fetch_gb=snakemake.params.fetch_gb,
    )
