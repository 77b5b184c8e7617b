"""Data quality flags that pixels gained and lost, under the names of jwst."""

import numpy as np

from jwmirror.core.model.comparison import FlagDifference

BITS = 64
# Names by bit, lowest first. Source: stdatamodels.jwst.datamodels.dqflags, which is installed with
# jwst only, and takes seconds to import.
PIXEL_FLAGS = (
    *("DO_NOT_USE", "SATURATED", "JUMP_DET", "DROPOUT", "OUTLIER", "PERSISTENCE", "AD_FLOOR"),
    *("CHARGELOSS", "RESERVED", "NON_SCIENCE", "DEAD", "HOT", "WARM", "LOW_QE", "RC", "TELEGRAPH"),
    *("NONLINEAR", "BAD_REF_PIXEL", "NO_FLAT_FIELD", "NO_GAIN_VALUE", "NO_LIN_CORR"),
    *("NO_SAT_CHECK", "UNRELIABLE_BIAS", "UNRELIABLE_DARK", "UNRELIABLE_SLOPE", "UNRELIABLE_FLAT"),
    *("OPEN", "ADJ_OPEN", "FLUX_ESTIMATED", "MSA_FAILED_OPEN", "OTHER_BAD_PIXEL"),
    "REFERENCE_PIXEL",
)
GROUP_FLAGS = frozenset(PIXEL_FLAGS[:8]) - {"OUTLIER"}


class FlagCounter:
    """Counts of flags gained and lost, bit by bit; `add` is called for one block after another."""

    def __init__(self) -> None:
        self.gained = np.zeros(BITS, "i8")
        self.lost = np.zeros(BITS, "i8")

    def add(self, old: np.ndarray, new: np.ndarray) -> None:
        """Count the differences between two blocks of flags (uint64)."""
        changed = old ^ new
        self.gained += _count_bits(changed & new)
        self.lost += _count_bits(changed & old)

    def differences(self, hdu: str) -> tuple[FlagDifference, ...]:
        """Return the flags that changed, lowest bit first, named for the image `hdu`."""
        names = flag_names(hdu)
        counts = zip(self.gained.tolist(), self.lost.tolist(), strict=True)
        return tuple(
            FlagDifference(name=names.get(1 << bit, f"bit {bit}"), gained=gained, lost=lost)
            for bit, (gained, lost) in enumerate(counts)
            if gained or lost
        )


def _count_bits(values: np.ndarray) -> np.ndarray:
    """Return how many values (uint64) have each bit set: an array of BITS counts."""
    octets = values[values != 0].astype("<u8").view("u1").reshape(-1, BITS // 8)
    return np.unpackbits(octets, axis=1, bitorder="little").sum(axis=0, dtype="i8")


def flag_names(hdu: str) -> dict[int, str]:
    """Return value -> name of jwst's flags of pixels, or of groups (GROUPDQ)."""
    names = {1 << bit: name for bit, name in enumerate(PIXEL_FLAGS)}
    if not hdu.startswith("GROUPDQ"):
        return names
    return {value: name for value, name in names.items() if name in GROUP_FLAGS}
