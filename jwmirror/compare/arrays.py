"""Arithmetic on two versions of an array, for images and for columns of tables."""

import numpy as np


def subtract(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return new - old as float64; NaN where either is not finite."""
    if new.dtype.kind == old.dtype.kind and new.dtype.kind in "iu":  # exact for 64 bits, too
        wide_new, wide_old = (
            values.astype(f"{values.dtype.kind}8").view("u8") for values in (new, old)
        )
        is_larger = new >= old
        magnitude = np.where(is_larger, wide_new - wide_old, wide_old - wide_new).astype("f8")
        return np.where(is_larger, magnitude, -magnitude)
    with np.errstate(invalid="ignore", over="ignore"):
        delta = new.astype("f8") - old.astype("f8")
    return np.where(np.isfinite(delta), delta, np.nan)


def is_nan(values: np.ndarray) -> np.ndarray:
    """Return where values are NaN, for any type of values."""
    return np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, bool)
