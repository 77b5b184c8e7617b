"""Write the site of a mirror: static pages about what it has, what changed, and why."""

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.files import locked, owner_of
from jwmirror.report.site.addresses import INDEX
from jwmirror.services.site.building import SiteBuilder
from jwmirror.services.site.page_files import RECORD, PageFiles, SiteFolder
from jwmirror.services.site.pictures import RUN_BUDGET_S
from jwmirror.services.site.state import MirrorState
from jwmirror.store.access import exclusive_site, is_owner, public_site
from jwmirror.store.generations import Generations

log = logging.getLogger(__name__)


def write_site(
    *,
    mirror: Path,
    group: str | None = None,
    rebuild: bool = False,
    budget_s: float = RUN_BUDGET_S,
) -> Path:
    """Write the pages that differ from those that exist; return the path of the first page.

    The public site is in `site`. If something is exclusive, `site-exclusive` shows everything, and
    only the owner, and `group`, can read it: then its page is returned. With `rebuild`, all pages
    are written. Missing pictures are drawn for about `budget_s` seconds. Before the first
    publication, nothing is written.

    Raises:
        StoreError: a page cannot be written, or the mirror is another user's.
    """
    if not is_owner(mirror):
        raise StoreError(
            f"{mirror.absolute()}: the mirror belongs to {owner_of(mirror)}, who alone writes its "
            f"site; open {public_site(mirror) / INDEX}."
        )
    if Generations(mirror).current() is None:
        return public_site(mirror) / INDEX
    (mirror / "receipts").mkdir(exist_ok=True)
    with locked(mirror / "receipts" / "site.lock", wait=True, make=True):
        return _written(mirror, group, rebuild, budget_s)


def _written(mirror: Path, group: str | None, rebuild: bool, budget_s: float) -> Path:
    state = MirrorState(mirror)
    has_exclusive = bool(state.closed_places)  # found ones, too: failures may say more of them
    folders = [SiteFolder(path=public_site(mirror), is_public=True, has_other=has_exclusive)]
    if has_exclusive:
        folders.append(
            SiteFolder(path=exclusive_site(mirror), is_public=False, has_other=True, group=group)
        )
    else:
        _remove_site(exclusive_site(mirror))
    for folder in folders:
        folder.prepare()
        if rebuild:
            PageFiles(folder).forget()
        public = None if folder.is_public else folders[0].path
        number = SiteBuilder(state, folder, budget_s, public).build()
        log.info("%s: %d pages written", folder.path, number)
    return folders[-1].path / INDEX


def _remove_site(path: Path) -> None:
    """Remove the pages of a site; files that it does not name stay."""
    if path.is_dir() and not path.is_symlink():
        folder = SiteFolder(path=path, is_public=False, has_other=False)
        PageFiles(folder).write()
        (path / RECORD).unlink(missing_ok=True)
        with suppress(OSError):
            path.rmdir()


def group_of_site(mirror: Path) -> str | None:
    """Return the group that may read exclusive data, by the folder of the logs; None without."""
    import grp

    with suppress(OSError, KeyError):
        status = os.stat(mirror / "logs")
        if status.st_mode & stat.S_IRGRP and not status.st_mode & stat.S_IROTH:
            return grp.getgrgid(status.st_gid).gr_name
    return None
