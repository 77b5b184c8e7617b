"""Peak memory of each job of an unchanged run of a program with 100,000 products.

`python -m benchmarks memory` makes a mirror that has all products of the program of `python -m
benchmarks queries`, its files empty but of full length, and runs the jobs of a run without recipes
one after the other, each in a new process, against the same server.
"""

import hashlib
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import poll as program
from benchmarks.queries import MOST_MB, PRODUCTS, in_new_process, mast
from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Poll, References, SettleResult, read, write
from jwmirror.core.model.plan import JobLimits, Published
from jwmirror.services.run.conclude import conclude_run
from jwmirror.services.run.plan import plan_recalibration
from jwmirror.services.run.publish import publish_generation
from jwmirror.services.run.quality.publication import PublicationPolicy
from jwmirror.services.run.query import query_archive
from jwmirror.services.run.references import sync_references
from jwmirror.services.run.settle import settle_observations
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.runs import RunFiles
from tests.setup.configs import policy_of

RUN = "20260405T000000.000000Z-1"
NOWHERE = "http://unused.invalid"


def publish_all(mirror: Path) -> None:
    """Publish a mirror with all products, each a sparse file."""
    mark_mirror(mirror)
    objects, entries = Objects(mirror), []
    for entry in program.held(*program.pages(PRODUCTS)):
        sha256 = hashlib.sha256(entry.path.encode()).hexdigest()
        entries.append(replace(entry, sha256=sha256))
        objects.path(sha256).parent.mkdir(parents=True, exist_ok=True)
        with objects.path(sha256).open("wb") as file:
            os.truncate(file.fileno(), entry.size)
    Generations(mirror).publish(entries, "first", {})


def query(mirror: Path, url: str) -> None:
    """Poll the program."""
    query_archive(
        mirror=mirror,
        run=run_files(mirror).folder,
        url=url,
        token_socket=None,
        downloads=8,
        selections=[program.SELECTION],
        vanish_limit=0.5,
        accept_vanished=(),
        keep_free=0,
    )


def settle(mirror: Path, url: str) -> None:
    """Look for associations that are updated in part."""
    files = run_files(mirror)
    poll = read(files.poll, Poll)
    settling = settle_observations(mirror=mirror, run=files.folder, poll=poll, days=3, accept=())
    write(files.settling, settling)


def references(mirror: Path, url: str) -> None:
    """Sync references: nothing is needed."""
    files = run_files(mirror)
    synced = sync_references(
        mirror=mirror,
        poll=read(files.poll, Poll),
        settling=read(files.settling, SettleResult),
        recipes=(),
        policy=policy_of(NOWHERE, mirror / "cache"),
    )
    write(files.references, synced)


def plan(mirror: Path, url: str) -> None:
    """Plan the levels."""
    files = run_files(mirror)
    plan_recalibration(
        mirror=mirror,
        cache=mirror / "cache",
        recipes=(),
        limits=JobLimits(),
        poll=read(files.poll, Poll),
        settling=read(files.settling, SettleResult),
        references=read(files.references, References),
        below=(),
        ahead=(),
        receipts=(),
    )


def publish(mirror: Path, url: str) -> None:
    """Find that the mirror is unchanged."""
    files = run_files(mirror)
    published = publish_generation(
        mirror=mirror,
        run=files.folder,
        group=None,
        poll=read(files.poll, Poll),
        settling=read(files.settling, SettleResult),
        references=read(files.references, References),
        plans=(),
        receipts=(),
        policy=PublicationPolicy(),
        config={},
        recipes=(),
    )
    if published.is_new:
        raise AssertionError("expected an unchanged mirror")
    write(files.published, published)


def conclude(mirror: Path, url: str) -> None:
    """Sum up the run."""
    files = run_files(mirror)
    published = read(files.published, Published)
    conclude_run(mirror=mirror, run=files.folder, published=published, page="")


def run_files(mirror: Path) -> RunFiles:
    """Return the files of the run."""
    return RunFiles(mirror / "receipts" / "runs" / RUN)


def peak_of(job: Callable[[Path, str], None], mirror: Path, url: str) -> float:
    """Run a job, and return the peak of the process's memory in MB."""
    job(mirror, url)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> str | None:
    """Run the jobs; return a message if one takes too much memory."""
    multiprocessing.set_start_method("spawn", force=True)
    peaks = {}
    with mast() as (url, _), tempfile.TemporaryDirectory() as folder:
        mirror = Path(folder)
        in_new_process(publish_all, mirror)
        run_files(mirror).folder.mkdir(parents=True)
        for job in (query, settle, references, plan, publish, conclude):
            peaks[job.__name__] = in_new_process(peak_of, job, mirror, url)
            print(f"{job.__name__:12} peak {peaks[job.__name__]:4.0f} MB")
    highest = max(peaks.values())
    return f"{highest:.0f} MB, more than {MOST_MB}" if highest > MOST_MB else None


if __name__ == "__main__":
    sys.exit(main())
