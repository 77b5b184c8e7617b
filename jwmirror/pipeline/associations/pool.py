"""Associations that jwst's rules make of a pool."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError, failures_as
from jwmirror.core.model.association import UNCAL, Association
from jwmirror.pipeline.associations.reading import latest_of, parse_associations

ASSOCIATION_SCHEME = 1  # version of this function: 1 more with each change of what it returns
MAX_POOL = 64 << 20  # bytes; 100,000 exposures have half of it
MAX_REPEATS = 10  # rows of one exposure; MAST writes one
MAX_CANDIDATES = 10_000  # characters of the candidates of one exposure


def generate_associations(pool: Path, name: str, roots: Collection[str]) -> tuple[Association, ...]:
    """Return the associations that jwst's rules make of some exposures of a pool, by root.

    `name` is the pool's file name. Takes seconds for tens of exposures, minutes for hundreds.

    Raises:
        CalibrationError: jwst cannot read the pool, or cannot make associations of it.
    """
    from jwst.associations.generator.generate_per_candidate import generate_per_candidate

    with failures_as(
        lambda why: CalibrationError(
            f"{name}: jwst cannot make associations of this pool: {why}; fetch it again, or name "
            "association files of your own in the recipe (associations)."
        )
    ):
        chosen = _rows_of(pool, roots)
        generated = generate_per_candidate(chosen, None, discover=True) if len(chosen) else []
        files = [association.dump() for association in generated]
        return latest_of(
            association for title, text in files for association in parse_associations(text, title)
        )


def _rows_of(pool: Path, roots: Collection[str]) -> Any:  # a table of astropy, without types
    """Return the rows of some exposures; ValueError if they are too many for the rules of jwst.

    These take seconds for each exposure and candidate.
    """
    from jwst.associations import AssociationPool

    if pool.stat().st_size > MAX_POOL:
        raise ValueError(f"expected at most {MAX_POOL} bytes, found {pool.stat().st_size}")
    every = AssociationPool.read(pool)
    rows = every[[filename.removesuffix(UNCAL) in roots for filename in every["filename"]]]
    if len(rows) > MAX_REPEATS * len(roots):
        raise ValueError(f"{len(rows)} rows are of {len(roots)} exposures")
    for candidates in rows["asn_candidate"] if "asn_candidate" in rows.colnames else ():
        if len(str(candidates)) > MAX_CANDIDATES:
            raise ValueError(f"an exposure has candidates of {len(str(candidates))} characters")
    return rows
