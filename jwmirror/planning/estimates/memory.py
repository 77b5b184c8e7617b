"""Estimates of the memory that stages need. Pure.

They depend on the pixels, groups and integrations in the header of an exposure, and on the largest
reference, which a step loads beside the ramp (a dark of the full frame). The constants are peaks of
NIRCam imaging, measured by `python -m benchmarks recalibration --only memory`, which also shows the
errors of the estimates. Other modes are assumed to need as much.
"""

from collections.abc import Sequence
from math import inf

from jwmirror.core.model import Chain, Derivation
from jwmirror.core.model.parameters import PlainMapping
from jwmirror.pipeline import headers

STAGE = 300e6  # bytes of any stage: jwst, and the pages shared with the fork server
JOB = 700e6  # bytes of a job in addition: the workflow's script and the fork server
STAGE_1 = 80  # bytes per pixel
GROUP = 54  # bytes per pixel, group and integration, for at most MANY_GROUPS groups
MANY_GROUPS, GROUP_OF_MANY = 11, 22  # jump needs less per group if there are many
STAGE_2 = 210  # bytes per pixel, and per integration if the inputs have integrations
STAGE_3 = (210, 50)  # bytes per pixel of the product, and of each member
FULL = 2048  # pixels on a side, if the header does not say
STAGE_1_BESIDE_REFERENCE = (8, 5)  # bytes per pixel; per pixel, group and integration
OF_REFERENCE = 1.25  # bytes per byte of the reference file
WITH_INTEGRATIONS = ("rateints.fits", "calints.fits", "crfints.fits")


def stage_bytes(derivation: Derivation, header: str, largest: int = 0) -> int:
    """Return the bytes that a stage needs.

    `header` is that of the exposure, or of the first science member of an association; `largest`
    is the size of the largest reference file.
    """
    values = headers.parse_header(header) if header else {}
    pixels = _size(values, "subarray.xsize", FULL) * _size(values, "subarray.ysize", FULL)
    if headers.IRS2 in str(values.get("meta.exposure.readpatt", "")).upper():
        pixels = round(pixels * headers.IRS2_ROWS / FULL)
    integrations = _integrations(values)
    stage, beside = derivation.stage, 0
    if stage == 1:
        groups = _size(values, "exposure.ngroups", 1)
        per_pixel, per_group = STAGE_1_BESIDE_REFERENCE
        beside = per_pixel + per_group * groups * integrations
        of_group = max(GROUP * min(groups, MANY_GROUPS), GROUP_OF_MANY * groups)
        of_pixel = STAGE_1 + integrations * of_group
    else:
        keeps = any(item.name.endswith(WITH_INTEGRATIONS) for item in derivation.inputs)
        count = len(derivation.inputs) * (integrations if keeps else 1)
        of_pixel = STAGE_3[0] + STAGE_3[1] * count if stage == 3 else STAGE_2 * count
    return round(STAGE + max(pixels * of_pixel, pixels * beside + OF_REFERENCE * largest))


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


def _integrations(values: PlainMapping) -> int:
    """Return the integrations in a file; a segment has only some of the exposure's."""
    first, last = (values.get(f"meta.exposure.integration_{end}") for end in ("start", "end"))
    return last - first + 1 if first and last else _size(values, "exposure.nints", 1)


def _size(values: PlainMapping, name: str, otherwise: int) -> int:
    return values.get(f"meta.{name}") or otherwise
