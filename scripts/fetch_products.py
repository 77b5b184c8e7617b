"""Fetch the products of one order into the store, whole and verified."""

import os
from pathlib import Path

from jwmirror.archive.transfer import Transfer
from jwmirror.core.log import log_to
from jwmirror.core.model import Failure, Orders, Receipt, read, write
from jwmirror.net.staging import staging_folder
from jwmirror.pipeline.identity import version_of
from jwmirror.store.objects import Objects

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)
orders = read(snakemake.input.orders, Orders).products
mine, ordered = orders[snakemake.wildcards.order], [p for each in orders.values() for p in each]

objects = Objects(mirror, snakemake.params.group)
token = os.environ.get(snakemake.params.token_env)
transfer = Transfer(
    snakemake.params.url,
    token,
    snakemake.params.downloads,
    cloud_url=snakemake.params.cloud_url,
)
with staging_folder(objects.incoming, mine, ordered) as folder:
    arrived = list(transfer.fetch(mine, folder, mirror / "quarantine"))
    failures = tuple(each for each in arrived if isinstance(each, Failure))
    fetched = [each for each in arrived if not isinstance(each, Failure)]
    versions = [version_of(each.product, each.path, each.sha256, each.size) for each in fetched]
    objects.take_all(versions, [each.path for each in fetched])
downloaded = sum(each.size for each in fetched)
write(
    snakemake.output.receipt,
    Receipt(versions=tuple(versions), failures=failures, downloaded=downloaded),
)
