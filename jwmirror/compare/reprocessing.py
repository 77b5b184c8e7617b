"""How the content of a file differs that MAST reprocessed: header only, or pixels by how much."""

from pathlib import Path

from jwmirror.compare.versions import compare_content
from jwmirror.core.model.comparison import Comparison
from jwmirror.core.model.history.causes import ContentChange

REFERENCES = 8  # that a record names


def content_change(old: Path, new: Path, filename: str) -> ContentChange:
    """Return how two versions of a file differ, whose bytes are known to differ.

    Each version is read once. `filename` gives the kind.

    Raises:
        StoreError: a file cannot be read.
    """
    comparison = compare_content(old, new, filename)
    return ContentChange(
        verdict=comparison.verdict,
        sigma=_sigma(comparison),
        references=comparison.references[:REFERENCES],
    )


def _sigma(comparison: Comparison) -> float | None:
    """Return the median of |difference| / ERR over the pixels of SCI that differ."""
    for image in comparison.images:
        if image.hdu == "SCI" and image.spread and image.spread.over_error:
            return image.spread.over_error[0]
    return None
