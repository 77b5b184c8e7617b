"""Mistakes around runs: two at a time, limits, disks, machines."""

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

from jwmirror.config.load import Config
from jwmirror.core.model import Change, Orders
from jwmirror.core.model.product import NEW
from jwmirror.report.limits import check_fetch
from jwmirror.services.run.session import RunSession
from jwmirror.store.disk_space import check_room
from jwmirror.store.lock import PUBLISHING_LOCK, RUN_LOCK, acquire_lock
from tests.mistakes.folders import config, filled_mirror, more
from tests.mistakes.mistake import Mistake, Section
from tests.setup.records import product

run = partial(Mistake, command="jwmirror run", prepare=more(""), code=1)
OTHER = "20260301T120000.000000Z-4711"


def locked(folder: Path) -> Callable[[], None]:
    """Prepare a mirror that another run has locked; return what unlocks it."""
    more("")(folder)
    filled_mirror(folder)
    return acquire_lock(folder / "mirror", f"run {OTHER}", name=RUN_LOCK).release


def published(folder: Path) -> Callable[[], None]:
    """Prepare a mirror that another process changes; return what ends that."""
    more("")(folder)
    filled_mirror(folder)
    return acquire_lock(folder / "mirror", f"run {OTHER}", name=PUBLISHING_LOCK).release


def refused(number: int, name: str) -> Callable[[Config, RunSession], None]:
    """Return a job to which the system refuses a file of the mirror."""

    def job(config: Config, session: RunSession) -> None:
        path = str(config.mirror.absolute() / name)
        raise OSError(
            number,
            {
                errno.ENOSPC: "No space left on device",
                errno.EDQUOT: "Disk quota exceeded",
                errno.EROFS: "Read-only file system",
                errno.EACCES: "Permission denied",
                errno.EIO: "Input/output error",
            }[number],
            path,
        )

    return job


def fetch_too_much(config: Config, session: RunSession) -> None:
    """Find more at MAST than a run may fetch."""
    products = tuple(
        product(f"jw01345001001_02101_0000{n}_nrcb1_uncal.fits", size=600_000_000_000)
        for n in (1, 2)
    )
    orders = Orders(products={"jw01345-o001.ab": products})
    changes = [Change(kind=NEW, product=each) for each in products]
    check_fetch(orders, changes, config.max_fetch_gb)


def fill_disk(config: Config, session: RunSession) -> None:
    """Find more at MAST than the disk has room for."""
    large = product("jw01345001001_02101_00001_nrcb1_uncal.fits", size=10**15)
    with patch("jwmirror.store.disk_space.free_space", lambda mirror: (10**9, "free on the disk")):
        check_room(config.mirror, Orders(products={"jw01345-o001.ab": (large,)}), config.keep_free)


def without_jwst(folder: Path) -> Callable[[], None]:
    """Prepare a config with a recipe, where jwst is not installed."""
    more("recipes: {deep: {}}\n")(folder)
    lean = patch("jwmirror.pipeline.installed._missing", lambda: ("crds", "jwst"))
    lean.start()
    return lean.stop


SECTION = Section(
    "Runs",
    (
        run(
            what="Two runs at once",
            prepare=locked,
            where="/home/you/jwst/mirror",
            found=f"run {OTHER} (process 4711 on HOST, since 2026-03-01T12:00:00+00:00)",
            step="`jwmirror run --config wait=True` waits for it",
        ),
        run(
            what="Two runs at once, with options",
            command="jwmirror run --cores 4 --config strict=True",
            prepare=locked,
            where="/home/you/jwst/mirror",
            found=f"run {OTHER}",
            step="`jwmirror run --cores 4 --config wait=True strict=True` waits for it",
        ),
        run(
            what="Two runs at once, with `snakemake`",
            command="snakemake --cores 4",
            prepare=locked,
            where="/home/you/jwst/mirror",
            found=f"run {OTHER}",
            step="`snakemake --cores 4 --config wait=True` waits for it",
        ),
        run(
            what="An option of a run misspelt",
            command="jwmirror run --coers 4",
            is_real=True,
            code=2,
            where=".snakemake/log/",
            found="unrecognized arguments: --coers",
            step="did you mean '--cores'?",
        ),
        run(
            what="A run without a core",
            command="jwmirror run --cores 0",
            is_real=True,
            code=2,
            where="--cores 0",
            found="expected at least 1",
            step="correct it",
        ),
        run(
            what="A run with a word in place of the number of cores",
            command="jwmirror run --cores four",
            is_real=True,
            where="--cores",
            found="before the run began",
            step="must be integer or 'all'",
        ),
        run(
            what="A rollback during a run",
            command="jwmirror rollback 2",
            prepare=published,
            where="/home/you/jwst/mirror",
            found=f"run {OTHER}",
            step="with --wait, the command waits for it",
        ),
        run(
            what="Pruning during a run",
            command="jwmirror prune --keep-last 1",
            prepare=locked,
            where="/home/you/jwst/mirror",
            found=f"run {OTHER}",
            step="with --wait, the command waits for it",
        ),
        run(
            what="More to fetch than the config allows",
            job=fetch_too_much,
            code=2,
            where="program 1345",
            found="would fetch 1,200.0 GB, expected at most 1,000 GB (limits.fetch_gb)",
            step="run `jwmirror run --config accept=fetch` once, or raise the limit",
        ),
        run(
            what="The same with another config",
            command="jwmirror run --configfile other.yaml",
            prepare=config("programs: [1345]\n", name="other.yaml"),
            job=fetch_too_much,
            code=2,
            where="program 1345",
            found="would fetch 1,200.0 GB",
            step="`jwmirror run --configfile other.yaml --config accept=fetch` once",
        ),
        run(
            what="More to fetch than the disk has room for",
            job=fill_disk,
            where="/home/you/jwst/mirror",
            found="1000000.000 GB are ordered",
            step="free space, select less",
        ),
        run(
            what="The disk is full",
            job=refused(errno.ENOSPC, "objects/incoming/a.fits"),
            where="/home/you/jwst/mirror/objects/incoming/a.fits",
            found="full disk",
            step="make room",
        ),
        run(
            what="Your quota is full",
            job=refused(errno.EDQUOT, "objects/incoming/a.fits"),
            where="/home/you/jwst/mirror/objects/incoming/a.fits",
            found="full quota",
            step="ask for a larger quota",
        ),
        run(
            what="The disk is read-only",
            job=refused(errno.EROFS, "receipts/runs"),
            where="/home/you/jwst/mirror/receipts/runs",
            found="read-only disk",
            step="make it writable",
        ),
        run(
            what="A folder of the mirror belongs to somebody else",
            job=refused(errno.EACCES, "objects/incoming/a.fits"),
            where="/home/you/jwst/mirror/objects/incoming/a.fits",
            found="Permission denied",
            step="ask its owner for access",
        ),
        run(
            what="jwst is not installed, and the config has recipes",
            prepare=without_jwst,
            code=2,
            where="line 3: recipes",
            found="jwst",
            step="or remove `recipes`",
        ),
    ),
)
