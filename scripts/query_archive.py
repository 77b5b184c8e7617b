"""Ask MAST what the selected programs hold, and say how that differs from the mirror."""

import os
from pathlib import Path

from jwmirror.archive.poll import VanishPolicy, group_into_orders, poll
from jwmirror.core.log import log_to
from jwmirror.core.model import Selection, parse, write
from jwmirror.store.disk_space import check_room
from jwmirror.store.generations import Generations
from jwmirror.store.runs import fetched, former_listings, pending, used

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)
accepted = parse(snakemake.params.accept_vanished, tuple[int, ...])
hints = pending(mirror)
named = [scope for scopes in hints.values() for scope in scopes]

found = poll(
    snakemake.params.url,
    parse(snakemake.params.selections, tuple[Selection, ...]),
    Generations(mirror).entries(),
    os.environ.get(snakemake.params.token_env),
    snakemake.params.downloads,
    VanishPolicy(vanish_limit=snakemake.params.vanish_limit, accepted=accepted),
    named,
    former_listings(Path(snakemake.output.poll).parent, {scope.program for scope in named}),
)
ordered = group_into_orders(found, fetched(mirror))
check_room(mirror, ordered, snakemake.params.keep_free)
write(snakemake.output.poll, found)
write(snakemake.output.orders, ordered)
used(hints)
