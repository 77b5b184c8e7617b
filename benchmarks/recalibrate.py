"""Small exposures through stages 1 and 2: our warm worker beside one `strun` per stage.

Both run one exposure at a time on the same files and references; figures are CPU seconds of all
child processes, start-up included, and their ratio.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from jwmirror.bench import Bench
from jwmirror.files import sha256_of
from jwmirror.recalibrate.associations import gather
from jwmirror.recalibrate.inputs import version_of
from jwmirror.recalibrate.plan import plan_exposures
from jwmirror.recalibrate.references import Resolver, environment
from jwmirror.recalibrate.worker import calibrate
from jwmirror.records import Entry, Product, Recipe
from tests.observatory.references.context import build_context
from tests.observatory.telescope.exposures import take
from tests.observatory.telescope.program import demo_program, exposures_of

COUNT = 6  # exposures
SETTINGS = {"detectors": ("NRCB1",), "subarrays": ("SUB160",), "filters": ("F200W", "F150W")}


def main() -> None:
    """Measure both and print the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = build_context(folder / "crds", **SETTINGS)
        program = demo_program()
        uncals = [take(program, each, folder / "raw") for each in exposures_of(program)[:COUNT]]
        os.environ.update(environment(folder / "crds", context))
        theirs = cpu_seconds(lambda: run_strun(uncals, folder / "strun"))
        ours = cpu_seconds(lambda: run_worker(uncals, folder, context))
    print(f"{COUNT} exposures, SUB160, CPU s: strun {theirs:.1f}, jwmirror {ours:.1f}")
    print(f"ratio {ours / theirs:.2f}")


def cpu_seconds(work: Callable[[], None]) -> float:
    """CPU seconds that the child processes of `work` took."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    work()
    return used() - before


def run_strun(uncals: list[Path], out: Path) -> None:
    """One `strun` per exposure and stage, as a shell script does."""
    out.mkdir()
    strun = str(Path(sys.executable).with_name("strun"))
    for uncal in uncals:
        rate = out / uncal.name.replace("_uncal", "_rate")
        for pipeline, file in (("calwebb_detector1", uncal), ("calwebb_image2", rate)):
            subprocess.run(
                [strun, pipeline, str(file), f"--output_dir={out}"],
                check=True,
                capture_output=True,
                cwd=out,
            )


def run_worker(uncals: list[Path], folder: Path, context: str) -> None:
    """The same stages, planned and worked off as in a run."""
    bench = Bench(folder / "mirror")
    entries = [entry for uncal in uncals for entry in held(bench, uncal)]
    plan = plan_exposures(
        entries,
        gather(entries, bench.locate),
        [Recipe(name="plain", programs=(1345,), stages=(1, 2))],
        Resolver(folder / "crds", context),
        bench.recall,
        bench.published,
        COUNT,
    )
    chains = [chain for batch in plan.batches.values() for chain in batch]
    receipt = calibrate(chains, bench, 1, folder / "work", folder / "logs", 600)
    assert len(receipt.results) == 2 * COUNT, receipt.failures


def held(bench: Bench, uncal: Path) -> list[Entry]:
    """An exposure and its stage-2 association, in the store."""
    root = uncal.name.removesuffix("_uncal.fits")
    member = {"expname": f"{root}_rate.fits", "exptype": "science"}
    names = {"asn_type": "image2", "asn_rule": "Asn_Lv2Image", "asn_id": "o001"}
    names |= {"program": "01345", "asn_pool": "none", "target": "none"}
    association = bench.objects.incoming / f"jw01345-o001_20260101t000000_{root}_image2_asn.json"
    association.write_text(json.dumps({**names, "products": [{"name": root, "members": [member]}]}))
    return [entry(bench, path) for path in (uncal, association)]


def entry(bench: Bench, path: Path) -> Entry:
    """A file, taken into the store, as a row of a manifest."""
    product = Product(
        uri=f"mast:JWST/product/{path.name}",
        filename=path.name,
        program=1345,
        observation="o001",
        suffix=path.stem.rpartition("_")[2],
    )
    version = version_of(product, path, sha256_of(path), path.stat().st_size)
    bench.objects.take(path, version.sha256)
    return Entry(
        path=f"upstream/jw01345/o001/{path.name}",
        origin="upstream",
        sha256=version.sha256,
        size=version.size,
        identity=version.identity,
        product=product,
        header=version.header,
    )


if __name__ == "__main__":
    main()
