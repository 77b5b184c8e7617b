"""Run jwst for every mode in one process: make associations, then run stages 1 to 3.

The process imports jwst once and forks for each task.
"""

import json
import multiprocessing
import os
import shutil
import sys
from itertools import groupby
from pathlib import Path

from jwmirror_simulator.operations.worker import PRODUCTS, warm_up

MADE = (".fits", ".ecsv")
THIRD = ("image3", "spec3", "tso3", "coron3", "ami3")  # association types; all else is stage 2
TURNS = (
    "DarkPipeline", "Detector1Pipeline", "Image2Pipeline", "Image3Pipeline", "Spec2Pipeline",
)  # what these make is input of the later ones, and of all others  # fmt: skip


def main(job_path: str) -> None:
    """Do the job in a JSON file; products are written to its folder."""
    job = json.loads(Path(job_path).read_text())
    os.chdir(job["folder"])
    products = Path(job["folder"], PRODUCTS)
    products.mkdir(exist_ok=True)
    warm_up(job["stamps"])
    found = associate(job["pool"], products)
    tasks = [(path, _first(path)) for path in job["uncals"]]
    tasks += [(path, _pipeline_of(kind)) for path, kind in found.items()]
    with multiprocessing.get_context("fork").Pool(job["workers"]) as pool:
        for _, stage in groupby(sorted(tasks, key=_turn), key=_turn):
            pool.starmap(calibrate, [(job, *task) for task in stage], chunksize=1)


def associate(pool: str, into: Path) -> dict[str, str]:
    """Write the associations that jwst makes of a pool; return their paths and types."""
    from jwst.associations.main import Main

    from jwmirror_simulator.operations.associations import STAMP

    Main.cli([pool, "--DMS", "--version-id", STAMP, "--path", str(into)])
    found = sorted(into.glob("*_asn.json"))
    return {str(path): json.loads(path.read_text())["asn_type"] for path in found}


def _turn(task: tuple[str, str]) -> int:
    """Return when a task is due: spectra through a grism need the catalogue of image3."""
    return TURNS.index(task[1]) if task[1] in TURNS else len(TURNS)


def _pipeline_of(kind: str) -> str:
    """Return the pipeline of an association type."""
    if kind in THIRD:
        return f"{kind.capitalize()}Pipeline"
    return "Spec2Pipeline" if "spec" in kind else "Image2Pipeline"


def _first(uncal: str) -> str:
    """Return the stage-1 pipeline of an uncal file."""
    from astropy.io import fits

    dark = fits.getheader(uncal)["EXP_TYPE"].endswith("DARK")
    return "DarkPipeline" if dark else "Detector1Pipeline"


def calibrate(job: dict, argument: str, pipeline: str) -> None:
    """Run one pipeline in a new folder with links to all earlier products; keep its products."""
    import jwst.pipeline

    products = Path(job["folder"], PRODUCTS)
    folder = Path(job["folder"], Path(argument).stem)
    folder.mkdir()
    os.chdir(folder)
    for path in (*map(Path, job["uncals"]), *products.iterdir()):
        (folder / path.name).symlink_to(path)
    getattr(jwst.pipeline, pipeline).call(Path(argument).name, save_results=True)
    for path in folder.iterdir():
        if path.suffix in MADE and not path.is_symlink():
            shutil.move(path, products)


if __name__ == "__main__":
    main(sys.argv[1])
