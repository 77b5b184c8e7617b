"""Estimates of the memory that stages need. Pure.

They depend on the pixels, groups and integrations in the header of an exposure, and on the largest
reference, which a step loads beside the ramp (a dark of the full frame). The constants are peaks of
NIRCam imaging, measured by `python -m benchmarks recalibration --only memory`, which also shows the
errors of the estimates. Modes with cubes or with many spectra need more: OF_MODES is what the
arrays of the steps of jwst 3.0.0 take that make these, for typical programs; it is not measured.
"""

from collections.abc import Sequence
from math import inf

from jwmirror.core.model import Chain, Derivation
from jwmirror.planning.estimates.shape import CUBES, images_read, mode_of, shape_of

STAGE = 300e6  # bytes of any stage: jwst, and the pages shared with the fork server
JOB = 700e6  # bytes of a job in addition: the workflow's script and the fork server
STAGE_1 = 80  # bytes per pixel
GROUP = 54  # bytes per pixel, group and integration, for at most MANY_GROUPS groups
MANY_GROUPS, GROUP_OF_MANY = 11, 22  # jump needs less per group if there are many
STAGE_2 = 210  # bytes per pixel, and per integration if the inputs have integrations
STAGE_3 = (210, 50)  # bytes per pixel of the product, and of each member
OF_VOXEL = 100  # bytes of a cube: five sums twice, and the product
TO_SKY = 260  # bytes per pixel: coordinates of one exposure, also of the corners of pixels
OF_MODES = {  # (pipeline, exposure type) -> bytes per pixel; and of each member; beside those above
    ("spec2", "MIR_MRS"): (TO_SKY, 0),
    ("spec3", "MIR_MRS"): (TO_SKY, 10),
    ("spec2", "NRS_IFU"): (TO_SKY, 0),
    ("spec3", "NRS_IFU"): (TO_SKY, 10),
    ("spec2", "NRS_MSASPEC"): (600, 0),  # 150 slits of 40 rows, with 15 arrays, twice
    ("spec3", "NRS_MSASPEC"): (600, 130),  # the slits of all exposures together
    ("spec2", "NIS_WFSS"): (700, 0),  # 1,000 sources with 40,000 pixels
    ("spec2", "NRC_WFSS"): (700, 0),
    ("spec2", "NIS_SOSS"): (2000, 0),  # the model of overlapping orders
}
STAGE_1_BESIDE_REFERENCE = (8, 5)  # bytes per pixel; per pixel, group and integration
OF_REFERENCE = 1.25  # bytes per byte of the reference file
OF_INPUT = 3  # bytes per byte of the files of a single step; source_catalog needs 2.3


def stage_bytes(derivation: Derivation, header: str, largest: int = 0) -> int:
    """Return the bytes that a stage needs.

    `header` is that of the exposure, or of the first science member of an association; `largest`
    is the size of the largest reference file.
    """
    shape = shape_of(header)
    stage, beside = derivation.stage, 0
    if stage == 1:
        per_pixel, per_group = STAGE_1_BESIDE_REFERENCE
        beside = per_pixel + per_group * shape.groups * shape.integrations
        of_group = max(GROUP * min(shape.groups, MANY_GROUPS), GROUP_OF_MANY * shape.groups)
        of_pixel = STAGE_1 + shape.integrations * of_group
    else:
        count = images_read(derivation, shape)
        of_pixel = STAGE_3[0] + STAGE_3[1] * count if stage == 3 else STAGE_2 * count
        of_pixel += _of_mode(derivation, header)
    beside_reference = shape.pixels * beside + OF_REFERENCE * largest
    return round(STAGE + max(shape.pixels * of_pixel, beside_reference))


def _of_mode(derivation: Derivation, header: str) -> int:
    """Return the bytes per pixel that a mode needs beside those of imaging; 0 if it is unknown."""
    mode = mode_of(derivation, header)
    of_any, of_member = OF_MODES.get(mode, (0, 0))
    return round(of_any + of_member * len(derivation.inputs) + OF_VOXEL * CUBES.get(mode, 0))


def step_bytes(size: int) -> int:
    """Return the bytes that a single step needs at least, whose input files have `size` bytes.

    A mosaic or a cube may be much larger than a detector.
    """
    return round(STAGE + OF_INPUT * size)


def job_bytes(chains: Sequence[Chain], workers: int, most: float = inf) -> float:
    """Return the bytes of a job that calibrates `workers` exposures at a time.

    At most `most`, unless one exposure alone needs more.
    """
    by_product: dict[str, int] = {}
    for chain in chains:
        by_product[chain.product] = max(by_product.get(chain.product, 0), chain.memory)
    largest = sorted(by_product.values(), reverse=True)[: max(1, workers)]
    return max(min(JOB + sum(largest), most), JOB + largest[0])


def stage_budget(job: float) -> float:
    """Return the bytes that the stages of a job of `job` bytes may use together."""
    return max(0.0, job - JOB)
