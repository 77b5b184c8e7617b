"""How much memory stages may take, estimated before they run; pure.

By pixels, groups and integrations that the header of an exposure tells, and by the largest of the
references, which a step holds beside the ramp: darks of full frames. The constants are peaks of
NIRCam imaging, measured by `python -m benchmarks recalibration --only memory`, which also shows how
far estimates are off; other modes are taken to be alike.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from jwmirror.core.model import Chain, Derivation
from jwmirror.pipeline import headers

STAGE = 300e6  # bytes that any stage takes: jwst, and what it shares with its warm process
JOB = 700e6  # that a job takes besides: the workflow's script and the warm process
STAGE_1 = 80  # bytes per pixel
GROUP = 54  # per pixel and group of each integration; jump takes less for each of many
FEW, OF_MANY = 11, 22
STAGE_2 = 210  # per pixel, and integration where inputs keep them
STAGE_3 = (210, 50)  # per pixel of the product; of each member
FULL = 2048  # pixels on a side, where a header does not tell
HELD = (8, 5)  # of stage 1 beside a reference: per pixel; and group of each integration
OF_REFERENCE = 1.25  # bytes per byte of its file
OF_INTEGRATIONS = ("rateints.fits", "calints.fits", "crfints.fits")


def of_stage(derivation: Derivation, header: str, largest: int = 0) -> int:
    """Bytes that a stage may take; `header` is of the exposure, or of an association's first.

    `largest`: bytes of the largest of its reference files.
    """
    values = headers.parse(header) if header else {}
    pixels = _size(values, "subarray.xsize", FULL) * _size(values, "subarray.ysize", FULL)
    if headers.IRS2 in str(values.get("meta.exposure.readpatt", "")).upper():
        pixels = round(pixels * headers.IRS2_ROWS / FULL)
    integrations = _integrations(values)
    stage, held = derivation.stage, 0
    if stage == 1:
        groups = _size(values, "exposure.ngroups", 1)
        held = HELD[0] + HELD[1] * groups * integrations
        of_pixel = STAGE_1 + integrations * max(GROUP * min(groups, FEW), OF_MANY * groups)
    else:
        keeps = any(item.name.endswith(OF_INTEGRATIONS) for item in derivation.inputs)
        count = len(derivation.inputs) * (integrations if keeps else 1)
        of_pixel = STAGE_3[0] + STAGE_3[1] * count if stage == 3 else STAGE_2 * count
    return round(STAGE + max(pixels * of_pixel, pixels * held + OF_REFERENCE * largest))


def of_job(chains: Sequence[Chain], workers: int, most: float = inf) -> float:
    """Bytes that a job may take that works off `workers` exposures at a time, and its own.

    Not more than `most`, unless one exposure alone takes more.
    """
    lines: dict[str, int] = {}
    for chain in chains:
        lines[chain.product] = max(lines.get(chain.product, 0), chain.memory)
    largest = sorted(lines.values(), reverse=True)[: max(1, workers)]
    return max(min(JOB + sum(largest), most), JOB + largest[0])


def room_in(size: float) -> float:
    """Bytes that are left for stages in a job of that size."""
    return max(0.0, size - JOB)


def _integrations(values: Mapping[str, Any]) -> int:
    """The integrations in a file: a segment holds a part of an exposure's."""
    first, last = (values.get(f"meta.exposure.integration_{end}") for end in ("start", "end"))
    return last - first + 1 if first and last else _size(values, "exposure.nints", 1)


def _size(values: Mapping[str, Any], name: str, otherwise: int) -> int:
    return values.get(f"meta.{name}") or otherwise
