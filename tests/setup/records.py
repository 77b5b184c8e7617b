"""Make records of program 1345: products, manifest rows, associations, derivations, results.

Each function fills in what a test does not care about. Keyword arguments are fields of the record
and replace what was filled in.
"""

import hashlib
import re

from jwmirror.core.model import (
    Chain,
    Derivation,
    Entry,
    Input,
    Listing,
    Product,
    Result,
    ResultFile,
)
from jwmirror.core.model.association import Association, Member

RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"
OBSERVATION = re.compile(r"jw\d{5}(?:-o)?(\d{3})")
LEVELS = {"uncal": 1, "rate": 2, "rateints": 2, "cal": 2, "i2d": 3, "segm": 3}


def product(filename: str = RATE, data: bytes | None = None, **fields: object) -> Product:
    """Return a product as MAST lists it; with `data`, of the size and MD5 of these bytes.

    Observation, suffix and level follow from the file name; without one, the observation is o001.
    """
    if data is not None:
        checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
        fields = {"size": len(data), "checksum": checksum, **fields}
    number, suffix = OBSERVATION.match(filename), filename.rpartition(".")[0].rpartition("_")[2]
    given = {
        "uri": f"mast:JWST/product/{filename}",
        "program": 1345,
        "observation": f"o{number[1]}" if number else "o001",
        "suffix": suffix,
        "level": LEVELS.get(suffix),
    }
    return Product(filename=filename, **given | fields)


def entry(item: Product, **fields: object) -> Entry:
    """Return the manifest row of an upstream product."""
    path = f"upstream/jw{item.program:05d}/{item.observation}/{item.filename}"
    given = {"path": path, "origin": "upstream", "sha256": "0" * 64, "size": 1, "product": item}
    return Entry(**given | fields)


def listing(*products: Product, **fields: object) -> Listing:
    """Return a poll's answer with these products."""
    ordered = tuple(sorted(products, key=lambda item: item.uri))
    given = {"program": 1345, "asked_at": "2026-04-05T00:00:00", "products": ordered}
    return Listing(**given | fields)


def association(kind: str, product: str, *members: str, **fields: object) -> Association:
    """Return an association; a member is a file name, or `role:filename` if it is not science."""
    pairs = [member.rpartition(":") for member in members]
    given = {"name": f"{product}_{kind}_asn.json", "program": 1345, "candidate": "o001"}
    return Association(
        asn_type=kind,
        product=product,
        members=tuple(Member(name=name, exptype=role or "science") for role, _, name in pairs),
        **given | fields,
    )


def science(name: str, identity: str = "aa") -> Input:
    """Return a science input of a derivation."""
    return Input(name=name, role="science", identity=identity)


def derivation(pipeline: str = "detector1", product: str = "x", **fields: object) -> Derivation:
    """Return what a result depends on: by default one uncal file and jwst 3.0.0, nothing else."""
    inputs = (science(f"{product}_uncal.fits"),)
    given = {"engine": {"jwst": "3.0.0"}, "inputs": inputs, "parameters": {}, "references": {}}
    return Derivation(pipeline=pipeline, product=product, **given | fields)


def chain(*derivations: Derivation, **fields: object) -> Chain:
    """Return a chain of recipe `deep`, whose product is that of the first derivation."""
    given = {"recipe": "deep", "program": 1345, "observation": "o001", "reasons": ()}
    given["product"] = derivations[0].product
    return Chain(derivations=derivations, **given | fields)


def result_file(filename: str, content: str | None = None) -> ResultFile:
    """Return a file of a result; its sha256 and identity are `content`, or else its name."""
    content = content or filename
    return ResultFile(filename=filename, sha256=content, size=1, identity=content)


def result(pipeline: str, product: str, *files: ResultFile, **fields: object) -> Result:
    """Return a result of recipe `deep`."""
    given = {"recipe": "deep", "program": 1345, "observation": "o001", "key": "k", "files": files}
    return Result(pipeline=pipeline, product=product, **given | fields)
