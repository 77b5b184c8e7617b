"""Import files that the user already has, as if they had been downloaded."""

from functools import partial
from pathlib import Path

from jwmirror.archive.discovery.record import read_searches, selections_of
from jwmirror.archive.discovery.search import run_searches
from jwmirror.archive.poll import group_into_orders, poll
from jwmirror.archive.tables.queries import Queries
from jwmirror.config.load import Config
from jwmirror.core.errors import ArchiveError
from jwmirror.core.files import as_store_error
from jwmirror.core.model import UPSTREAM, Product
from jwmirror.core.model.maintenance import AdoptionReport
from jwmirror.net.integrity import check_readable
from jwmirror.net.staging import staging_folder
from jwmirror.pipeline.identity import downloaded_version
from jwmirror.services.configure.checked_config import load_checked_config
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.maintenance.adopt import adopt, check_folder
from jwmirror.store.objects import Objects
from jwmirror.store.runs import fetched_versions


def adopt_folder(
    config_file: Path, folder: Path, wait_s: float | None, dry_run: bool
) -> AdoptionReport:
    """Import the files below a folder that are products MAST lists and the mirror lacks.

    Raises:
        ConfigError: the config has mistakes.
        ArchiveError: MAST cannot be asked, or a search of the config failed.
        StoreError: there is no such folder.
        LockedError: the mirror is locked, still after `wait_s` seconds (None: wait without limit).
    """
    config = load_checked_config(config_file)
    check_folder(folder)  # before MAST is asked
    root = config.mirror
    import_files = partial(adopt, root, folder, describe=downloaded_version, check=check_readable)
    if dry_run:
        return import_files(*_missing_products(config), into=None)
    consequence = "what has no receipt is not adopted"
    with as_store_error("adopt", consequence), mirror_lock(root, "adopt", wait_s, RUN_LOCK):
        missing, present = _missing_products(config)
        with staging_folder(Objects(root).incoming, (), missing.values()) as staging:
            return import_files(missing, present, into=staging, group=config.group)


def _missing_products(config: Config) -> tuple[dict[str, Product], set[str]]:
    """Return the products that MAST has and the mirror lacks, and the file names it has."""
    root = config.mirror
    entries = Generations(root).entries()
    with Queries(config.archive_url) as queries:
        answers, _ = run_searches(queries, config.searches, read_searches(root))
    if failed := [answer.search.place for answer in answers if answer.doubts]:
        raise ArchiveError(
            f"the search of {', '.join(failed)} failed, so that the files that it selects are not "
            "known; nothing was adopted; correct it, or try again later."
        )
    polled = poll(
        config.archive_url,
        (*config.selections, *selections_of(answers)),
        entries,
        config.token,
        config.downloads,
        token_variable=config.token_variable,
    )
    downloaded = list(fetched_versions(root))
    ordered = group_into_orders(polled, downloaded).products.values()
    missing = {product.filename: product for products in ordered for product in products}
    present = {entry.filename for entry in entries if entry.origin == UPSTREAM}
    present |= {version.product.filename for version in downloaded}
    return missing, present - missing.keys()
