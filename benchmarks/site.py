"""Time of writing the site of a mirror of 100,000 products and 50 generations.

`python -m benchmarks site [PRODUCTS] [--generations N]` makes the manifests of a random program,
of which each generation changes 100 files, and 500 exposures that a recipe has calibrated. The site
is written from nothing, then for one generation more, then when nothing has changed. Pictures are
not drawn: they are drawn once for each pair of versions, within a budget. With chromium, the time
until the first page is loaded is measured beside that of an empty page. Goals are for 100,000
products and 50 generations. Measure on an idle machine.
"""

import argparse
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from msgspec import structs

from benchmarks import poll as program
from jwmirror.core.files import sha256_of
from jwmirror.core.jsonio import write
from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Entry
from jwmirror.core.model.derivation import Derivation, Input
from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.stored import Generation, ResultFile
from jwmirror.services.run.site import write_site
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.retention import HEAD, MANIFEST
from jwmirror.store.manifest import SCHEMA, Entries, entries_of, write_manifest
from jwmirror.store.provenance import Provenance

CHANGED = 100  # files of each generation
RESULTS = 500
WHOLE_S, ONE_MORE_S, INDEX_S, FILES = 60.0, 5.0, 1.0, 5_000  # goals
ROUNDS = 5  # loads of a page
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def main() -> str | None:
    """Print the figures; return a message if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks site", description=__doc__)
    parser.add_argument("products", type=int, nargs="?", default=100_000)
    parser.add_argument("--generations", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mirror = Path(folder) / "mirror"
        rows = made_mirror(mirror, asked.products, asked.generations)
        whole = timed(lambda: write_site(mirror=mirror, budget_s=0), "from nothing", WHOLE_S)
        add_generation(mirror, rows, asked.generations + 1)
        more = timed(
            lambda: write_site(mirror=mirror, budget_s=0), "one generation more", ONE_MORE_S
        )
        timed(lambda: write_site(mirror=mirror, budget_s=0), "nothing changed", ONE_MORE_S)
        site = mirror / "site"
        files = [path for path in site.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e6
        print(f"files of the site: {len(files):,}, {size:.1f} MB (goal {FILES:,} files)")
        opened = load_time(site / "index.html") if CHROMIUM else 0.0
        print(f"the first page opens in {opened:.2f} s (goal {INDEX_S} s)")
    found = (whole, WHOLE_S), (more, ONE_MORE_S), (opened, INDEX_S), (len(files), FILES)
    missed = [f"{value:.1f}, goal {goal:g}" for value, goal in found if value > goal]
    return "; ".join(missed) or None


def timed(work: Callable[[], object], name: str, goal: float) -> float:
    """Return the wall time of a work, and print it."""
    began, used = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    print(f"{name}: {seconds:.1f} s, {cpu:.1f} s of CPU (goal {goal:g} s)", flush=True)
    return seconds


def load_time(page: Path) -> float:
    """Return how much longer chromium takes for a page than for an empty one: medians, seconds."""
    return _loaded(page.as_uri()) - _loaded("about:blank")


def _loaded(address: str) -> float:
    times = []
    with tempfile.TemporaryDirectory() as profile:
        options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}")
        for _ in range(ROUNDS):
            began = time.perf_counter()
            words = [CHROMIUM or "", *options, "--dump-dom", address]
            subprocess.run(words, capture_output=True, check=True, timeout=60)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


# ---- the mirror ------------------------------------------------------------------------------


def made_mirror(mirror: Path, products: int, generations: int) -> Entries:
    """Make the manifests and records of a mirror, without its objects; return its newest rows."""
    mirror.mkdir()
    mark_mirror(mirror)
    rows = [
        replace(row, sha256=_sha256(number), product=structs.replace(row.upstream, exclusive=False))
        for number, row in enumerate(program.held(*program.pages(products)))
    ]
    rows += [_result(mirror, row) for row in rows if row.path.endswith("_uncal.fits")][:RESULTS]
    entries = entries_of(rows)
    for number in range(1, generations + 1):
        entries = add_generation(mirror, entries, number)
    return entries


def _sha256(number: int) -> str:
    return f"{number:064x}"


def _result(mirror: Path, raw: Entry) -> Entry:
    """Return the rate that a recipe made of an exposure, with its record."""
    filename = raw.filename.replace("_uncal", "_rate")
    sha256, key = (_sha256(int(raw.sha256, 16) + (n << 64)) for n in (1, 2))
    made = Derivation(
        pipeline="detector1",
        product=filename.removesuffix("_rate.fits"),
        engine={"jwst": "3.0.0"},
        inputs=(Input(name=raw.filename, role="science", sha256=raw.sha256),),
        parameters={"steps": {"jump": {"rejection_threshold": 5.0}}},
        references={"flat": ("jwst_nircam_flat_0001.fits", "5a" * 20)},
    )
    file = ResultFile(filename=filename, sha256=sha256, size=1000, identity="")
    record = ProvenanceRecord(
        key=key,
        derivation=made,
        files=(file,),
        seconds=10.0,
        peak_memory=10**9,
        made_at="2026-03-01T12:00:00+00:00",
    )
    write(Provenance(mirror).path(key), record)
    path = raw.path.replace("upstream", "recalibrated/deep").replace(raw.filename, filename)
    facts = {"key": key, "context": "jwst_1464.pmap", "quality": "sound"}
    return Entry(path=path, origin="deep", sha256=sha256, size=1000, **facts)


def add_generation(mirror: Path, rows: Entries, number: int) -> Entries:
    """Publish one generation more, in which some files have other bytes; return its rows."""
    parent = Generations(mirror).current()
    paths = rows.column("path")
    places = [row for row, path in enumerate(paths) if path.endswith("_cal.fits")]
    changed = random.Random(number).sample(places, CHANGED) if parent else []
    contents = rows.column("sha256")
    for place in changed:
        contents[place] = _sha256(10**9 * number + place)
    column = SCHEMA.get_field_index("sha256")
    table = rows.table.set_column(column, SCHEMA.field(column), pa.array(contents))
    rows = Entries(table)
    folder = mirror / "generations" / f"{number:06d}"
    folder.mkdir(parents=True)
    write_manifest(folder / MANIFEST, rows)
    counts = {"files": len(rows), "bytes": 0, "new": 0, "changed": len(changed)}
    head = Generation(
        number=number,
        parent=parent.number if parent else None,
        parent_sha256=sha256_of(parent.folder / HEAD) if parent else "",
        manifest_sha256=sha256_of(folder / MANIFEST),
        made_at=f"2026-03-01T12:{number % 60:02d}:00+00:00",
        cause="",
        counts=counts,
        facts={},
        causes=(Cause("reprocessed", "CAL_VER 1.20.2 -> 2.0.1", files=CHANGED),),
    )
    write(folder / HEAD, head)
    (mirror / "CURRENT").write_text(str(number))
    return rows
