"""Fetch the products of one order into the store, whole and verified."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Orders, parse, read, write
from jwmirror.services.run.fetch import fetch_products

log_to(snakemake.log[0])
receipt = fetch_products(
    mirror=Path(snakemake.params.mirror),
    run=Path(snakemake.params.run),
    orders=read(snakemake.input.orders, Orders),
    order=snakemake.wildcards.order,
    url=snakemake.params.url,
    cloud_url=snakemake.params.cloud_url,
    token_socket=snakemake.params.token_socket,
    token_variable=snakemake.params.token_variable,
    downloads=snakemake.params.downloads,
    group=snakemake.params.group,
    accept_refused=parse(snakemake.params.accept_refused, tuple[str, ...]),
)
write(snakemake.output.receipt, receipt)
