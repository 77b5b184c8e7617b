"""What the store keeps of a fetched file so that recalibration need not open it again."""

from pathlib import Path

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Product, Version
from jwmirror.pipeline.headers import crds_header
from jwmirror.pipeline.identity import science_identity

INPUT_SUFFIXES = frozenset({"uncal"})
WITH_HEADER = INPUT_SUFFIXES | {"rate", "rateints", "cal", "calints"}


def version_of(product: Product, path: Path, sha256: str, size: int) -> Version:
    """The version that a verified file is: with identity and header where it is an exposure.

    A file that cannot be calibrated is kept all the same; its `refusal` then says why.
    """
    if product.suffix not in INPUT_SUFFIXES or not product.filename.endswith(".fits"):
        return Version(product=product, sha256=sha256, size=size)
    return described(product, path, sha256, size)


def described(product: Product, path: Path, sha256: str, size: int) -> Version:
    """The version with its science identity, and with the header where stage 2 or 3 may ask for it.

    These are read of raw exposures when they are fetched, of other products when a recipe starts
    from them.
    """
    identity = header = refusal = ""
    try:
        identity = science_identity(path, product.filename)
        if product.suffix in WITH_HEADER:
            header = crds_header(path, product.filename)
    except CalibrationError as err:
        refusal = str(err)
    return Version(
        product=product, sha256=sha256, size=size, identity=identity, header=header, refusal=refusal
    )
