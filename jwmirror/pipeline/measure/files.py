"""Quantities of any product, measured without knowing how it was made."""

import logging
from pathlib import Path

from jwmirror.core.errors import plain_text
from jwmirror.core.fits import check_structure, check_table
from jwmirror.pipeline.measure.arrays import rounded
from jwmirror.pipeline.measure.images import image_quantities
from jwmirror.pipeline.measure.tables import ecsv_quantities, member_quantities, table_quantities

METHOD = 1  # increased whenever a quantity changes its meaning: remembered ones are measured again

log = logging.getLogger(__name__)


def file_quantities(path: Path, filename: str = "") -> dict[str, float]:
    """Return the quantities of a product by name; docs/quality.md explains each.

    What a file does not have is left out, as is everything if it cannot be read. Equal files have
    equal quantities on all machines. `filename` is the file's name if the path has another one.
    """
    filename = filename or Path(path).name
    try:
        if filename.endswith(".ecsv"):
            return rounded(ecsv_quantities(Path(path)))
        if filename.endswith(".fits"):
            return _fits_quantities(Path(path))
    except Exception as err:  # a file of a hook may be anything; the result is good without this
        log.warning("%s cannot be measured: %s", filename, plain_text(err))
    return {}


def _fits_quantities(path: Path) -> dict[str, float]:
    from astropy.io import fits

    check_structure(path)
    options = {"disable_image_compression": True}  # no product has any, and bytes may become GBs
    with fits.open(path, memmap=False, **options) as hdus:  # scaled images cannot be mapped
        quantities, has_tables = image_quantities(hdus), any(not hdu.is_image for hdu in hdus)
    if has_tables:
        # of a table, only columns in use are read
        with fits.open(path, memmap=True, **options) as hdus:
            for hdu in hdus:
                check_table(hdu)
            quantities |= table_quantities(hdus) | member_quantities(hdus)
    return rounded(quantities)
