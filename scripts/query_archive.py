"""Ask MAST what the selected programs hold, and say how that differs from the mirror."""

import os
from pathlib import Path

from jwmirror.archive.orders import orders
from jwmirror.archive.polls import poll
from jwmirror.log import log_to
from jwmirror.records import Selection, parse, write
from jwmirror.store.generations import Generations
from jwmirror.store.receipts import fetched
from jwmirror.store.space import check_room

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)

found = poll(
    snakemake.params.url,
    parse(snakemake.params.selections, tuple[Selection, ...]),
    Generations(mirror).entries(),
    os.environ.get(snakemake.params.token_env),
    snakemake.params.downloads,
)
ordered = orders(found, fetched(mirror))
check_room(mirror, ordered, snakemake.params.keep_free)
write(snakemake.output.poll, found)
write(snakemake.output.orders, ordered)
