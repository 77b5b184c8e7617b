"""Estimates of the bytes that stages write. Pure."""

from jwmirror.core.model import Derivation
from jwmirror.planning.estimates.shape import images_read, shape_of

STAGE_1 = 20  # bytes per pixel of a rate file, and of each integration in a rateints file
RAMP = 5  # bytes per pixel, group and integration of a kept ramp
STAGE_2 = (28, 32)  # bytes per pixel of a cal file, with each image; of the rectified image
STAGE_3 = (28, 48)  # bytes per pixel of a crf file, of each member; of the product
ANY = 500_000  # bytes: headers, catalogues


def written_bytes(derivation: Derivation, header: str, keeps_ramp: bool = False) -> int:
    """Return the bytes of the files that a stage writes; `header` as for its memory."""
    shape = shape_of(header)
    if derivation.stage == 1:
        of_ramp = RAMP * shape.groups * shape.integrations if keeps_ramp else 0
        return ANY + shape.pixels * (STAGE_1 * (1 + shape.integrations) + of_ramp)
    each, product = STAGE_2 if derivation.stage == 2 else STAGE_3
    images = images_read(derivation, shape)
    return ANY + shape.pixels * (each * images + product)
