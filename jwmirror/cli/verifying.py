"""`jwmirror verify`: whether a mirror is whole, and mending it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import (
    CONFIG,
    All,
    AskedConfig,
    DryRun,
    Json,
    Mirror,
    Wait,
    app,
    mirror_of,
    patience,
    tell,
    told,
)
from jwmirror.config import Config, load
from jwmirror.records import Failure, Product, Version
from jwmirror.report import steering as pages
from jwmirror.store.objects import Objects
from jwmirror.store.repairs import Arrival, Refetch, Repairs, planned, repair
from jwmirror.store.verification import Verification
from jwmirror.store.verification import verify as look_at


@app.command()
def verify(
    config: AskedConfig = None,
    mirror: Mirror = None,
    full: Annotated[bool, typer.Option("--full", help="Hash every object, on all cores.")] = False,
    mend: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; MAST is asked.")
    ] = False,
    wait: Wait = False,
    dry_run: DryRun = False,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """Check that the mirror is whole: exit code 1 if anything is, and stays, not as it must be.

    With --repair, objects are fetched from MAST again where it has them unchanged; results give
    way, so that the next run makes them again; views and pointers are rebuilt.
    """
    with told():
        root = mirror_of(mirror, config or CONFIG)
        if not mend:
            found: Verification | Repairs = look_at(root, full)
            page, is_right = pages.verification_page(found, all_lines), not found.problems
        else:
            found = planned(root, full) if dry_run else _repaired(root, full, wait, config, mirror)
            page = pages.repairs_page(found, dry_run, all_lines)
            is_right = all(each.is_mended for each in found.outcomes)
    tell(found, page, as_json)
    raise typer.Exit(0 if is_right else 1)


def _repaired(
    root: Path, full: bool, wait: bool, config: Path | None, mirror: Path | None
) -> Repairs:
    """Mend a mirror; MAST is asked unless there is just --mirror, and so no config."""
    if config is None and mirror is not None:
        return repair(root, full, wait_s=patience(wait))
    asked = load(config or CONFIG)
    return repair(root, full, _refetch(root, asked), asked.group, patience(wait))


def _refetch(root: Path, config: Config) -> Refetch:
    """How to fetch products again that MAST still has unchanged."""
    token = os.environ.get(config.token_env)

    def refetch(products: Sequence[Product]) -> Iterator[Arrival | Failure]:
        from jwmirror.archive.landing import landing
        from jwmirror.archive.transfer import Transfer

        listed = _listed(config.archive_url, products, token)
        unchanged = [each for each in products if _is_same(each, listed.get(each.uri))]
        for each in products:
            if each not in unchanged:
                has = "has another version of it now" if each.uri in listed else "has it no longer"
                yield Failure(name=each.filename, message=f"MAST {has}")
        transfer = Transfer(config.archive_url, token, config.downloads)
        with landing(Objects(root).incoming, unchanged) as folder:
            for each in transfer.fetch(unchanged, folder, root / "quarantine"):
                if isinstance(each, Failure):
                    yield each
                else:
                    version = Version(product=each.product, sha256=each.sha256, size=each.size)
                    yield version, each.path

    return refetch


def _listed(url: str, products: Sequence[Product], token: str | None) -> dict[str, Product]:
    """URI -> the product as MAST lists it now; ArchiveError if it cannot be asked."""
    from jwmirror.archive.listings import ask

    programs = sorted({each.program for each in products})
    listings = (ask(url, program, token, may_be_empty=True) for program in programs)
    return {product.uri: product for listing in listings for product in listing.products}


def _is_same(held: Product, listed: Product | None) -> bool:
    """Whether MAST may still have the bytes; where it keeps no checksum, that is seen later."""
    return listed is not None and (held.checksum is None or held.checksum == listed.checksum)
