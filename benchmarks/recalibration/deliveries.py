"""Ten thousand headers planned with two contexts, compared with CRDS's own answer."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.recalibration.claims import Claim
from jwmirror.core.model import canonical
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror.pipeline.headers import crds_header
from jwmirror.pipeline.registry import pars_types
from jwmirror.planning.resolvers.local import LocalResolver
from jwmirror_simulator.crds.context import build_context, mappings_folder
from jwmirror_simulator.crds.mappings import add_use_after_dates, write_successor
from jwmirror_simulator.telescope.exposures import take_exposure
from jwmirror_simulator.telescope.program import demo_program, exposures_of

PIPELINES = ("detector1", "image2")
ASKED = {"steps": {}}
FIRST = datetime(2022, 7, 1)
DAYS = 1200  # over which exposures were taken
AGED = ("flat", "superbias", "readnoise", "gain", "saturation", "linearity", "mask", "photom")
DELIVERIES = 30  # of each type, every 40 days, each type on another day
OPTICS = [("NRCA1", "A", "F200W"), ("NRCB1", "B", "F200W"), ("NRCB1", "B", "F150W")]


@dataclass(frozen=True, kw_only=True)
class Contexts:
    """A reference cache with two contexts; the later one replaces a few files."""

    cache: Path
    old: str
    new: str


def new_context(folder: Path, count: int, sample: int) -> Iterator[Claim]:
    """Measure which exposures a new context affects, and how long it takes to find them."""
    contexts = _contexts(folder / "crds")
    os.environ.update(crds_environment(contexts.cache, contexts.old))
    headers = _headers(folder, count)
    for pipeline in PIPELINES:
        pars_types(pipeline)  # jwst is imported
    began = time.perf_counter()
    touched = _touched(contexts, headers)
    seconds = time.perf_counter() - began
    yield Claim(
        what=f"{count} headers, each of another moment, two pipelines, against two contexts: "
        f"{len(touched)} touched, {seconds:.2f} s",
        found=seconds,
        goal=1.0,
    )
    few = dict(random.Random(1).sample(sorted(headers.items()), sample))
    began = time.perf_counter()
    theirs = _by_crds(folder, contexts, few)
    seconds = time.perf_counter() - began
    yield Claim(
        what=f"crds.bestrefs --print-affected on {sample} of them: {len(theirs)} affected, "
        f"{seconds:.0f} s; exposures with other answers",
        found=len(theirs ^ (touched & few.keys())),
        goal=0,
    )


def _touched(contexts: Contexts, headers: Mapping[str, str]) -> set[str]:
    """Return the exposures whose references or parameters differ; no cache is used."""
    sha1s = _sha1s(contexts.cache)
    old, new = (LocalResolver(contexts.cache, each, sha1s) for each in (contexts.old, contexts.new))
    return {
        root
        for root, header in headers.items()
        if any(
            _differs(*(each.resolve(pipeline, header, ASKED) for each in (old, new)))
            for pipeline in PIPELINES
        )
    }


def _differs(one, other) -> bool:
    return one is not other and (
        one.references != other.references or one.parameters != other.parameters
    )


def _by_crds(folder: Path, contexts: Contexts, headers: Mapping[str, str]) -> set[str]:
    """Return the exposures that CRDS itself reports as affected."""
    saved = folder / "headers.json"
    lines = [
        json.dumps({f"{root}:{root}": {k.upper(): str(v) for k, v in json.loads(header).items()}})
        for root, header in headers.items()
    ]
    saved.write_text("\n".join(lines) + "\n")
    words = ["--old-context", contexts.old, "--new-context", contexts.new, "--print-affected"]
    done = subprocess.run(
        [sys.executable, "-m", "crds.bestrefs", "--load-pickles", str(saved), *words],
        capture_output=True,
        text=True,
        env={**os.environ, **crds_environment(contexts.cache, contexts.new)},
    )
    said = done.stdout.split()
    return {word.partition(":")[0].lower() for word in said if word.lower().startswith("jw")}


def _contexts(cache: Path) -> Contexts:
    """Write years of deliveries, then replace one flat and one gain in the middle of them."""
    build_context(cache, subarrays=("SUB160",), fgs=False)
    folder = mappings_folder(cache)
    for number, kind in enumerate(AGED):
        days = [FIRST + timedelta(days=40 * i + 3 * number, hours=9) for i in range(DELIVERIES)]
        dates = [day.isoformat(sep=" ") for day in days]
        add_use_after_dates(next(folder.glob(f"jwst_nircam_{kind}_0001.rmap")), dates)
    imap = "jwst_nircam_0001.imap"
    for kind, serial in (("flat", 11), ("gain", 17)):
        rmap = folder / f"jwst_nircam_{kind}_0001.rmap"
        old = next(
            name for name in rmap.read_text().split("'") if name.endswith(f"{serial:03d}.fits")
        )
        new = write_successor(rmap, old, old.replace(".fits", "b.fits"))
        imap = write_successor(folder / imap, rmap.name, new)
    context = write_successor(folder / "jwst_0001.pmap", "jwst_nircam_0001.imap", imap)
    return Contexts(cache=cache, old="jwst_0001.pmap", new=context)


def _headers(folder: Path, count: int) -> dict[str, str]:
    """Return headers of exposures taken over years, each at another time, by root."""
    program = demo_program()
    real = json.loads(crds_header(take_exposure(program, exposures_of(program)[0], folder / "raw")))
    dice = random.Random(0)
    found = {}
    for number in range(count):
        moment = FIRST + timedelta(days=dice.uniform(0, DAYS))
        date, clock = moment.isoformat(timespec="milliseconds").split("T")
        detector, module, filter_name = OPTICS[number % len(OPTICS)]
        changed = {
            "meta.observation.date": date,
            "meta.observation.time": clock,
            "meta.instrument.detector": detector,
            "meta.instrument.module": module,
            "meta.instrument.filter": filter_name,
        }
        root = (
            f"jw01345{number // 1000 + 1:03d}001_02101_{number % 1000 + 1:05d}_{detector.lower()}"
        )
        found[root] = canonical(real | changed)
    return found


def _sha1s(cache: Path) -> dict[str, str]:
    """Return checksums as a sync leaves them; these files exist by name only."""
    rmaps = mappings_folder(cache).glob("*.rmap")
    words = {word for rmap in rmaps for word in rmap.read_text().split("'")}
    return {word: word for word in words if word.endswith(".fits")}
