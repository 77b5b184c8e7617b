"""Repair a mirror: rebuild what can be rebuilt, and download from MAST what was lost."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jwmirror.archive.listing import query_listing
from jwmirror.archive.tables.login import accepted_token
from jwmirror.archive.tables.queries import Queries
from jwmirror.archive.transfer import MastDownloader
from jwmirror.config.load import Config
from jwmirror.core.model import Failure, Product, Version
from jwmirror.core.model.maintenance import RepairReport
from jwmirror.net.staging import staging_folder
from jwmirror.services.configure.checked_config import load_checked_config
from jwmirror.store.maintenance.repair import Arrival, Refetch, preview_repair, repair
from jwmirror.store.objects import Objects


def repair_mirror(
    root: Path, full: bool, config_file: Path | None, wait_s: float | None, dry_run: bool
) -> RepairReport:
    """Repair every problem that `verify_mirror` finds.

    MAST is asked only if there is a config file.

    Raises:
        ConfigError: the config has mistakes.
        StoreError: the folder holds no mirror.
        LockedError: the mirror is locked, still after `wait_s` seconds (None: wait without limit).
    """
    if dry_run:
        return preview_repair(root, full)
    if config_file is None:
        return repair(root, full, wait_s=wait_s)
    config = load_checked_config(config_file)
    return repair(root, full, _refetch_from(root, config), config.group, wait_s)


def _refetch_from(root: Path, config: Config) -> Refetch:
    """Return a function that downloads products again, if MAST lists the same version."""

    def refetch(products: Sequence[Product]) -> Iterator[Arrival | Failure]:
        token = accepted_token(config.archive_url, config.token, config.token_variable)
        listed = _listed(config.archive_url, products, token)
        unchanged: list[Product] = []
        for product in products:
            if product.uri not in listed:
                yield Failure(name=product.filename, message="MAST no longer lists it")
            elif product.checksum in (None, listed[product.uri].checksum):
                unchanged.append(product)  # without a checksum, the downloaded bytes are compared
            else:
                yield Failure(name=product.filename, message="MAST has another version now")
        transfer = MastDownloader(
            config.archive_url,
            token,
            config.downloads,
            token_variable=config.token_variable,
        )
        with staging_folder(Objects(root).incoming, unchanged) as folder:
            for arrived in transfer.download(unchanged, folder, root / "quarantine"):
                if isinstance(arrived, Failure):
                    yield arrived
                else:
                    product, sha256, size = arrived.product, arrived.sha256, arrived.size
                    yield Version(product=product, sha256=sha256, size=size), arrived.path

    return refetch


def _listed(url: str, products: Sequence[Product], token: str | None) -> dict[str, Product]:
    """Return the products that MAST lists now in the programs of these products, by URI."""
    programs = sorted({product.program for product in products})
    with Queries(url, token) as queries:
        listings = [query_listing(queries, program, may_be_empty=True) for program in programs]
    return {product.uri: product for listing in listings for product in listing.products}
