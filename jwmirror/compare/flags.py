"""Data quality flags that pixels gained and lost, under the names of jwst."""

import numpy as np

from jwmirror.core.model.comparison import FlagDifference

BITS = 64


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
    from stdatamodels.jwst.datamodels import dqflags

    flags = dqflags.group if hdu.startswith("GROUPDQ") else dqflags.pixel
    return {value: name for name, value in flags.items()}
