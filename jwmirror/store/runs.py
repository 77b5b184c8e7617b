"""Runs: the records of each call of the workflow, their files, and what later runs read of them."""

import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, restrict
from jwmirror.core.jsonio import digest, parse_file, read, write
from jwmirror.core.mirror import RUN_ID_FORM, mark_mirror
from jwmirror.core.model import (
    Failure,
    Orders,
    Plan,
    Poll,
    Product,
    Receipt,
    SettleResult,
    Version,
)
from jwmirror.core.model.plan import LEVELS, Published, References
from jwmirror.core.model.product import Scope
from jwmirror.core.model.quality import JudgedResult
from jwmirror.core.model.run import Confirmation, Run, Stop
from jwmirror.store.entries import upstream_entries
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import Entries
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance

T = TypeVar("T")
UNDECIDED = "receipts/undecided.json"
JOB_LOG = "job.log"
REFERENCES = "references"  # in place of an order: the sync of references
GROUP_FORM = re.compile(r"jw\d{5}-")  # begins the names of orders, not of adopted files' receipts
HELD_BACK = tuple[JudgedResult, ...]  # type of the record of results that are not published

log = logging.getLogger(__name__)


class RunFiles:
    """Paths of the records of one run, by the run's folder.

    The workflow's rules pass their wildcards as arguments: `plan("{level}")`.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.number = self.folder / "number.json"  # its place in the order of all runs
        self.poll = self.folder / "changes.json"
        self.listings = self.folder / "listings.json.zst"  # products, by program
        self.plain_listings = self.folder / "listings.json"  # the same, in earlier versions
        self.orders = self.folder / "orders.json"
        self.settling = self.folder / "settling.json"
        self.references = self.folder / "references.json"
        self.published = self.folder / "published.json"
        self.held_back = self.folder / "held-back.json"
        self.site = self.folder / "site.json"
        self.conclusion = self.folder / "conclusion.json"
        self.executor = self.folder / "executor.json"
        self.attempts = self.folder / "attempts"
        self.stopped = self.folder / "stopped.json"
        self.heartbeats = self.folder / "heartbeats"  # while jobs run
        self.unchanged = self.folder / "unchanged.json"  # id of the run since which nothing changed
        self.confirmed = self.folder / "confirmed.json"  # by later runs that changed nothing

    def plan(self, level: str) -> Path:
        """Return the file of a level's plan."""
        return self.folder / f"plan-{level}.json"

    def ahead(self, level: str) -> Path:
        """Return the file of the plans that were made together with a level's plan."""
        return self.folder / f"ahead-{level}.json"

    def batch(self, level: str, batch: str) -> Path:
        """Return the file of a calibrated batch's receipt."""
        return self.folder / level / f"{batch}.json"

    def batches(self, level: str) -> list[Path]:
        """Return the files of those receipts of a level that exist, by name."""
        return sorted((self.folder / level).glob("*.json"))

    def heartbeat(self, level: str, batch: str) -> Path:
        """Return the file of the heartbeats of the job that calibrates a batch."""
        return self.heartbeats / f"{level}-{batch}.json"

    def fetch_heartbeat(self, order: str) -> Path:
        """Return the file of the heartbeats of the job that fetches an order."""
        return self.heartbeats / f"fetch-{order}.json"

    def attempt(self, level: str, batch: str, number: int) -> Path:
        """Return the file of an attempt to calibrate a batch; the first one has number 1."""
        return self.attempts / f"{level}-{batch}-{number}.json"

    def fetched(self, order: str) -> Path:
        """Return the file of an order's receipt; orders of equal content share it across runs."""
        return self.folder.parent.parent / "fetch" / f"{order}.json"


def job_logs(logs: Path, level: str, batch: str) -> Path:
    """Return the folder of the logs of the job that calibrates a batch, in the `logs` of its run.

    It has the job's own messages (JOB_LOG), and those of jwst for each exposure (<product>.log).
    """
    return logs / "calibrate_batch" / f"{level}-{batch}"


def number_run(folder: Path) -> None:
    """Durably give a run the number after all others; its process must have the mirror's lock."""
    number, _ = max((run_order(path) for path in _folders(Path(folder).parent)), default=(0, ""))
    write(RunFiles(folder).number, number + 1)


def run_order(folder: Path) -> tuple[int, str]:
    """Return the key that sorts the folders of runs, oldest first; no clock changes it.

    Runs of versions that gave no numbers are older than all others, and in the order of their
    names. StoreError if the number is damaged.
    """
    return read_if_written(RunFiles(folder).number, int) or 0, folder.name


def newest_first(runs: Path, before: Path | None = None) -> list[Path]:
    """Return the folders of runs in the folder `runs`: all, or those older than one of them."""
    ordered = sorted(((run_order(path), path) for path in _folders(runs)), reverse=True)
    limit = run_order(before) if before else None
    return [path for order, path in ordered if limit is None or order < limit]


def _folders(runs: Path) -> list[Path]:
    return [path for path in Path(runs).glob("[!.]*") if path.is_dir()]


def last_run(mirror: Path) -> Run | None:
    """Return the records of the newest run that has a poll; None if the workflow never ran.

    Later runs, whose polls failed, changed nothing; `stops` says why they ended. Without any poll,
    it is the newest run. If the run did not come to publishing, what is held back is what the run
    before it held back.
    """
    folders = newest_first(Path(mirror) / "receipts" / "runs")
    if not folders:
        return None
    polled = next((n for n, folder in enumerate(folders) if RunFiles(folder).poll.exists()), None)
    newest = folders if polled is None else folders[: polled + 1]
    files = (RunFiles(folder).held_back for folder in folders)
    run = read_run(folders[polled or 0])
    confirmation = read_if_written(RunFiles(folders[polled or 0]).confirmed, Confirmation)
    return replace(
        run.confirmed_by(confirmation) if confirmation else run,
        held_back=next(_existing(files, HELD_BACK), ()),
        stops=tuple(stop for folder in reversed(newest) if (stop := _stop(folder))),
    )


def _stop(folder: Path) -> Stop | None:
    """Return how a run ended before it published; None if it published."""
    files = RunFiles(folder)
    if files.published.exists():
        return None
    stop = read_if_written(files.stopped, Stop)
    return stop or Stop(run=folder.name, at=started_at(folder.name))


def started_at(run: str) -> str:
    """Return when a run began, ISO, by its id; "" if it is no id."""
    if not RUN_ID_FORM.fullmatch(run):
        return ""
    started = datetime.strptime(run.partition("Z")[0], "%Y%m%dT%H%M%S.%f")
    return started.replace(tzinfo=UTC).isoformat(timespec="seconds")


def last_references(mirror: Path) -> References | None:
    """Return the references of the newest run that synced some; None if no run did."""
    folders = newest_first(Path(mirror) / "receipts" / "runs")
    records = _existing((RunFiles(folder).references for folder in folders), References)
    return next((references for references in records if references.context), None)


def read_run(folder: Path) -> Run:
    """Return the records of a run, as far as it came. StoreError if one is damaged."""
    files = RunFiles(folder)
    orders = read_if_written(files.orders, Orders)
    fetched = map(files.fetched, orders.products if orders else ())
    return Run(
        id=files.folder.name,
        poll=read_if_written(files.poll, Poll),
        settling=read_if_written(files.settling, SettleResult),
        references=read_if_written(files.references, References),
        plans=tuple(_existing(map(files.plan, LEVELS), Plan)),
        fetch_receipts=tuple(_existing(fetched, Receipt)),
        batch_receipts=tuple(
            receipt for level in LEVELS for receipt in _existing(files.batches(level), Receipt)
        ),
        published=read_if_written(files.published, Published),
        held_back=read_if_written(files.held_back, HELD_BACK) or (),
        refused=orders.refused if orders else (),
    )


def work_folders(mirror: Path) -> list[Path]:
    """Return the work folders of runs. Other files in work/ are the user's, and stay."""
    paths = sorted(Path(mirror).glob("work/*"))
    return [path for path in paths if RUN_ID_FORM.fullmatch(path.name) and not path.is_symlink()]


def previous_settling(folder: Path) -> SettleResult | None:
    """Return the newest record of settling observations before a run; None if no run wrote one."""
    earlier = newest_first(Path(folder).parent, before=Path(folder))
    return next(_existing((RunFiles(path).settling for path in earlier), SettleResult), None)


def _existing(paths: Iterable[Path], kind: type[T]) -> Iterator[T]:
    """Return the records of those files that exist."""
    return (record for path in paths if (record := read_if_written(path, kind)) is not None)


def read_if_written(path: Path, kind: type[T]) -> T | None:
    """Return a record of a run; None if it does not exist, or this user may not read it.

    Raises:
        StoreError: it is damaged.
    """
    try:
        return read(path, kind)
    except FileNotFoundError:
        return None
    except ClosedError:
        _warn_closed(path.name)
        return None


@cache
def _warn_closed(name: str) -> None:
    """Log, once, that this user may not read the records of a name."""
    words = "%s of some runs is left out: you may not read numbers measured on exclusive data"
    log.warning(words, name)


def order_group(product: Product) -> str:
    """Return what the names of all orders of a product's observation begin with: jw01345-o001."""
    return f"jw{product.program:05d}-{product.observation}"


def fetch_receipts(mirror: Path) -> Iterator[tuple[str, Receipt]]:
    """Yield the receipts of all fetches, with the names of their orders."""
    for path in _fetched(mirror):
        yield path.stem, read(path, Receipt)


def _fetched(mirror: Path, products: Iterable[Product] | None = None) -> Iterator[Path]:
    """Yield the files of receipts of fetches; not of orders without observations of `products`."""
    groups = None if products is None else set(map(order_group, products))
    for path in sorted(Path(mirror).glob("receipts/fetch/*.json")):
        group = path.stem.partition(".")[0]
        if groups is None or group in groups or not GROUP_FORM.match(group):
            yield path


def refused_downloads(mirror: Path, products: Iterable[Product]) -> Iterator[Failure]:
    """Yield the downloads whose bytes were refused, of the observations of some products."""
    for path in _fetched(mirror, products):
        failures = read(path, _FailuresOfFetch).failures
        yield from (failure for failure in failures if failure.refused)


def fetched_versions(
    mirror: Path, products: Collection[Product] | None = None
) -> Iterator[Version]:
    """Yield every version that a fetch job took in and whose object still exists.

    With `products`, only versions of these.
    """
    objects = Objects(mirror)
    uris = None if products is None else {product.uri for product in products}
    for path in _fetched(mirror, products):
        for text in read(path, _VersionsOfFetch).versions:
            named = parse_file(path, text, _VersionOfProduct)
            if uris is None or named.product.uri in uris:
                version = parse_file(path, text, Version)
                if objects.has(version.sha256, version.size):
                    yield version


class _FailuresOfFetch(msgspec.Struct):
    """The part of a Receipt that says what failed."""

    failures: tuple[Failure, ...] = ()


class _VersionsOfFetch(msgspec.Struct):
    """The versions of a Receipt, as JSON. There may be many, and few of them are of interest."""

    versions: tuple[msgspec.Raw, ...] = ()


class _NamedProduct(msgspec.Struct):
    uri: str


class _VersionOfProduct(msgspec.Struct):
    product: _NamedProduct


def upstream_after(mirror: Path, poll: Poll, waiting: Collection[str] = ()) -> Entries:
    """Return the rows of MAST's products after a poll and its downloads, as `upstream_entries`."""
    wanted = any(change.wants_bytes for change in poll.changes)
    products = [change.product for change in poll.changes]
    versions = fetched_versions(mirror, products) if wanted else ()
    return upstream_entries(Generations(mirror).entries(), poll, versions, waiting)


def write_held_back(
    mirror: Path, folder: Path, held_back: tuple[JudgedResult, ...], group: str | None
) -> None:
    """Record the results that a run does not publish; only the owner and `group` can read them.

    So are the records of these results: nothing has decided who may read their files.
    """
    path = RunFiles(folder).held_back
    write(path, held_back, mode=0o600)
    for record in (path, *(Provenance(mirror).path(result.key) for result in held_back)):
        with suppress(FileNotFoundError):
            restrict(record, group)


def close_measurements(mirror: Path, group: str | None) -> None:
    """Let only the owner and `group` read logs and records of measurements on any data.

    The folders are made, so that files in them are closed from the start. Raises StoreError if one
    belongs to another account, which alone can write to it.
    """
    for folder in (mirror / "logs", mirror / "receipts" / "measurements"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StoreError(
                f"{folder}: expected a folder that you can write to; found one of user "
                f"{folder.stat().st_uid}; one account makes all runs of a mirror: use it, or name "
                "another folder in `mirror` in the config."
            )
        restrict(folder.resolve(), group)  # the owner may have put a link there
    records = (mirror / "receipts" / "quality.json", *mirror.glob("receipts/runs/*/held-back.json"))
    for path in records:  # an earlier version left them open
        with suppress(FileNotFoundError):
            restrict(path, group)
    with suppress(FileNotFoundError):
        restrict((mirror / "quarantine").resolve())


def read_undecided(mirror: Path) -> dict[str, str]:
    """Return the files, by URI, for which the last poll could not decide whether they changed.

    The values are ISO times: since when.
    """
    return read_if_written(mirror / UNDECIDED, dict[str, str]) or {}


def write_undecided(mirror: Path, undecided: dict[str, str]) -> None:
    """Record the files for which a poll could not decide whether they changed."""
    if undecided != read_undecided(mirror):
        write(mirror / UNDECIDED, undecided)


def add_events(mirror: Path, scopes: Iterable[Scope]) -> Path:
    """Record programs and observations for the next poll; return the file.

    A new or empty folder becomes a mirror. StoreError for any other folder that is no mirror.
    """
    events = tuple(scopes)
    mark_mirror(Path(mirror))
    path = Path(mirror) / "receipts" / "events" / f"{digest(events)[:16]}.json"
    with as_store_error("event", "the next poll may not know what it names"):
        write(path, events)
        failpoint("hints: kept")
    return path


def pending_events(mirror: Path) -> dict[Path, tuple[Scope, ...]]:
    """Return the events that no poll has used yet, by file."""
    paths = sorted(Path(mirror).glob("receipts/events/*.json"))
    return {path: read(path, tuple[Scope, ...]) for path in paths}


def remove_events(paths: Iterable[Path]) -> None:
    """Remove events that a poll has used, so that the next poll asks for everything again."""
    with as_store_error("event", "what it names is polled again"):
        for path in paths:
            path.unlink(missing_ok=True)
            failpoint("hints: one used")
