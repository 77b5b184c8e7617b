"""Data quality flags that pixels gained and lost, by the names that jwst gives them."""

import numpy as np

from jwmirror.core.model.comparison import FlagDifference

BITS = 64


class Flags:
    """Counts of flags gained and lost, bit by bit."""

    def __init__(self) -> None:
        self.gained = np.zeros(BITS, "i8")
        self.lost = np.zeros(BITS, "i8")

    def add(self, old: np.ndarray, new: np.ndarray) -> None:
        """Count the flags of some pixels (uint64)."""
        moved = old ^ new
        changed = np.flatnonzero(moved)
        old, new, moved = old[changed], new[changed], moved[changed]
        for bit in range(BITS) if len(changed) else ():
            mask = np.uint64(1 << bit)
            self.gained[bit] += np.count_nonzero(moved & new & mask)
            self.lost[bit] += np.count_nonzero(moved & old & mask)

    def bits(self, hdu: str) -> tuple[FlagDifference, ...]:
        """What was counted, of the flags that moved; named as jwst names those of `hdu`."""
        names = names_of(hdu)
        return tuple(
            FlagDifference(
                name=names.get(1 << bit, f"bit {bit}"),
                gained=int(self.gained[bit]),
                lost=int(self.lost[bit]),
            )
            for bit in range(BITS)
            if self.gained[bit] or self.lost[bit]
        )


def names_of(hdu: str) -> dict[int, str]:
    """Value -> name of the flags of pixels, or of groups (GROUPDQ)."""
    from stdatamodels.jwst.datamodels import dqflags

    known = dqflags.group if hdu.startswith("GROUPDQ") else dqflags.pixel
    return {value: name for name, value in known.items()}
