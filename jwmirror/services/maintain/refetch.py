"""Fetching from MAST again what a mirror has lost, where MAST has it unchanged."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from jwmirror.archive.listing import query_listing
from jwmirror.archive.transfer import Transfer
from jwmirror.config.load import Config
from jwmirror.core.model import Failure, Product, Version
from jwmirror.net.staging import staging_folder
from jwmirror.store.maintenance.repair import Arrival, Refetch
from jwmirror.store.objects import Objects


def refetching(root: Path, config: Config) -> Refetch:
    """How to fetch products again that MAST still has unchanged."""
    token = os.environ.get(config.token_env)

    def refetch(products: Sequence[Product]) -> Iterator[Arrival | Failure]:
        listed = _listed(config.archive_url, products, token)
        unchanged = [each for each in products if _is_same(each, listed.get(each.uri))]
        for each in products:
            if each not in unchanged:
                has = "has another version of it now" if each.uri in listed else "has it no longer"
                yield Failure(name=each.filename, message=f"MAST {has}")
        transfer = Transfer(config.archive_url, token, config.downloads)
        with staging_folder(Objects(root).incoming, unchanged) as folder:
            for each in transfer.fetch(unchanged, folder, root / "quarantine"):
                if isinstance(each, Failure):
                    yield each
                else:
                    version = Version(product=each.product, sha256=each.sha256, size=each.size)
                    yield version, each.path

    return refetch


def _listed(url: str, products: Sequence[Product], token: str | None) -> dict[str, Product]:
    """URI -> the product as MAST lists it now; ArchiveError if it cannot be asked."""
    programs = sorted({each.program for each in products})
    listings = (query_listing(url, program, token, may_be_empty=True) for program in programs)
    return {product.uri: product for listing in listings for product in listing.products}


def _is_same(held: Product, listed: Product | None) -> bool:
    """Whether MAST may still have the bytes; where it keeps no checksum, that is seen later."""
    return listed is not None and (held.checksum is None or held.checksum == listed.checksum)
