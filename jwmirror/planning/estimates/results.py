"""Estimates of the bytes that stages write. Pure.

They count the arrays in the files of jwst 2.0, each of four bytes per pixel.
"""

from jwmirror.core.model import Derivation
from jwmirror.planning.estimates.shape import CUBES, images_read, mode_of, shape_of

STAGE_1 = 20  # bytes per pixel of a rate, and of each integration: SCI, ERR, DQ and two VAR_*
RAMP = 5  # bytes per pixel, group and integration of a kept ramp: SCI, and GROUPDQ of one byte
# Bytes per pixel of each image in a cal or crf file (SCI, ERR, DQ, AREA, three VAR_*), and of the
# image that is made of them (SCI, ERR, CON, WHT and three VAR_*), which has some more pixels.
STAGE_2, STAGE_3 = (28, 32), (28, 48)
OF_VOXEL = 16  # bytes per voxel of an s3d file
ANY = 500_000  # bytes of headers and catalogues


def written_bytes(derivation: Derivation, header: str, keeps_ramp: bool = False) -> int:
    """Return the bytes of the files that a stage writes; `header` as for its memory."""
    shape = shape_of(header)
    if derivation.stage == 1:
        of_ramp = RAMP * shape.groups * shape.integrations if keeps_ramp else 0
        return ANY + shape.pixels * (STAGE_1 * (1 + shape.integrations) + of_ramp)
    each, product = STAGE_2 if derivation.stage == 2 else STAGE_3
    images = images_read(derivation, shape)
    of_cubes = OF_VOXEL * CUBES.get(mode_of(derivation, header), 0)
    return round(ANY + shape.pixels * (each * images + product + of_cubes))
