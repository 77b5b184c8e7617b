"""Run jwst for the operational pipeline in one process, which imports it once and forks."""

import gc
import json
import logging
import multiprocessing
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

PRODUCTS = "products"
CATALOGUE_DATE = re.compile(r"(?<=date: )[^,}\n]+")


def main(job_path: str) -> None:
    """Do the job in a JSON file; products are written to its folder."""
    job = json.loads(Path(job_path).read_text())
    os.chdir(job["folder"])
    Path(PRODUCTS).mkdir(exist_ok=True)
    warm_up(job["stamps"])
    tables = {name: json.loads(text) for name, text in job["associations"].items()}
    second = [(job, name) for name, table in tables.items() if table["asn_type"] == "image2"]
    third = [(job, name) for name, table in tables.items() if table["asn_type"] == "image3"]
    third.sort(key=lambda task: -len(tables[task[1]]["products"][0]["members"]))
    with multiprocessing.get_context("fork").Pool(job["workers"]) as pool:
        for task, todo in ((calibrate_exposure, second), (calibrate_association, third)):
            list(pool.imap_unordered(task, todo))


def warm_up(stamps: dict[str, str]) -> None:
    """Import jwst, exclude its objects from garbage collection, and set dates and versions."""
    warnings.simplefilter("ignore")
    import jwst.pipeline  # noqa: F401 - so that forks need not

    logging.disable(logging.WARNING)
    _stamp_all(stamps)
    _order_extensions()
    gc.collect()
    gc.freeze()


def _stamp_all(stamps: dict[str, str]) -> None:
    """Let every data model write the given date and versions."""
    from stdatamodels.jwst.datamodels import JwstDataModel

    save = JwstDataModel.on_save

    def on_save(model, init=None) -> None:
        save(model, init)
        model.meta.date = stamps["date"]
        model.meta.calibration_software_version = stamps["cal_ver"]
        model.meta.data_processing_software_version = stamps["sdp_ver"]
        model.meta.ref_file.crds.context_used = stamps["crds_ctx"]

    JwstDataModel.on_save = on_save


def _order_extensions() -> None:
    """Let asdf list the extensions that it used by name; otherwise the order varies by run."""
    from asdf.extension import SerializationContext

    used = SerializationContext._extensions_used.fget

    def ordered(context) -> list:
        return sorted(used(context), key=lambda each: (each.class_name, each.extension_uri or ""))

    SerializationContext._extensions_used = property(ordered)


def calibrate_exposure(task: tuple[dict, str]) -> None:
    """Calibrate the one member of an image2 association from uncal to cal."""
    from jwst.pipeline import Detector1Pipeline, Image2Pipeline

    job, association = task
    product = json.loads(job["associations"][association])["products"][0]["name"]
    uncal = next(path for path in job["uncals"] if Path(path).name.startswith(product))
    _enter_folder_for(job, association)
    Detector1Pipeline.call(uncal, save_results=True, steps=job["parameters"]["detector1"])
    Image2Pipeline.call(association, save_results=True, steps=job["parameters"]["image2"])
    for suffix in ("rate", "cal"):
        shutil.move(f"{product}_{suffix}.fits", Path(job["folder"], PRODUCTS))


def calibrate_association(task: tuple[dict, str]) -> None:
    """Combine the members of an image3 association and draw a preview."""
    from jwst.pipeline import Image3Pipeline

    job, association = task
    product = json.loads(job["associations"][association])["products"][0]
    products = Path(job["folder"], PRODUCTS)
    _enter_folder_for(job, association)
    for member in product["members"]:
        Path(member["expname"]).symlink_to(products / member["expname"])
    Image3Pipeline.call(association, save_results=True, steps=job["parameters"]["image3"])
    root = product["name"]
    _stamp_catalogue(Path(f"{root}_cat.ecsv"), job["stamps"]["date"])
    _draw(Path(f"{root}_i2d.fits"), Path(f"{root}_i2d.jpg"))
    for ending in ("i2d.fits", "i2d.jpg", "cat.ecsv", "segm.fits"):
        shutil.move(f"{root}_{ending}", products)


def _enter_folder_for(job: dict, association: str) -> None:
    """Change to a new folder with the association's file; jwst writes to the working directory."""
    folder = Path(job["folder"], association.removesuffix("_asn.json"))
    folder.mkdir()
    os.chdir(folder)
    Path(association).write_text(job["associations"][association])


def _stamp_catalogue(path: Path, date: str) -> None:
    """Set the date of a source catalogue to that of the other products."""
    path.write_text(CATALOGUE_DATE.sub(repr(date), path.read_text(), count=1))


def _draw(image_path: Path, preview_path: Path) -> None:
    """Write a small grey image."""
    import numpy as np
    from astropy.io import fits
    from PIL import Image

    data = np.nan_to_num(fits.getdata(image_path, "SCI").astype("f4"))
    low, high = np.percentile(data, (20, 99.5))
    grey = np.arcsinh(np.clip((data - low) / max(high - low, 1e-6), 0, 1) * 10) / np.arcsinh(10)
    Image.fromarray((grey[::-1] * 255).astype("u1")).save(preview_path, quality=85)


if __name__ == "__main__":
    main(sys.argv[1])
