"""Associations made from a pool by the rules of jwst, as operations make them."""

from collections.abc import Collection
from pathlib import Path

from jwmirror.core.errors import CalibrationError
from jwmirror.pipeline.associations import Association, latest_of, parse
from jwmirror.pipeline.exposures import UNCAL


def generated(pool: Path, name: str, roots: Collection[str]) -> tuple[Association, ...]:
    """The associations of those exposures of a pool that are among `roots`, one per product.

    `name` is the pool's file name. Takes seconds for tens of exposures, minutes for hundreds.
    CalibrationError if the pool cannot be read, or jwst cannot make associations of it.
    """
    from jwst.associations import AssociationPool
    from jwst.associations.generator.generate_per_candidate import generate_per_candidate

    try:
        rows = AssociationPool.read(pool)
        chosen = rows[[filename.removesuffix(UNCAL) in roots for filename in rows["filename"]]]
        made = generate_per_candidate(chosen, None, discover=True) if len(chosen) else []
        texts = [each.dump() for each in made]
    except Exception as err:  # astropy and jwst raise many kinds for what is not a pool
        raise CalibrationError(
            f"{name}: jwst cannot make associations of this pool: {err}; fetch it again, or name "
            "association files of your own in the recipe (associations)."
        ) from err
    return latest_of(each for title, text in texts for each in parse(text, title))
