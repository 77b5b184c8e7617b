"""A product as MAST would list it: what most tests begin with."""

import hashlib

from jwmirror.core.model import Product

RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"


def product(filename: str, data: bytes | None = None, **facts: object) -> Product:
    """A product of program 1345, observation 1; of these bytes, with their size and MD5."""
    if data is not None:
        checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
        facts = {"size": len(data), "checksum": checksum, **facts}
    named = {
        "program": 1345,
        "observation": "o001",
        "suffix": filename.rpartition(".")[0].rpartition("_")[2],
    }
    return Product(uri=f"mast:JWST/product/{filename}", filename=filename, **named | facts)
