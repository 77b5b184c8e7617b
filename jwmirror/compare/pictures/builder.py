"""A comparison while it is drawn: pictures in a folder, numbers, and words."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jwmirror.compare.pictures.records import (
    CHANGE,
    VERSION,
    DrawnComparison,
    DrawnPanel,
    LargestDifference,
    Pair,
    Statistic,
)
from jwmirror.core.model.comparison import FlagDifference
from jwmirror.core.printing import percent, printable

MAX_UNIT = 40  # characters
PERCENTILES = (16, 50, 84)
FEW = 0.16  # of the values: if fewer differ, percentiles of all say nothing
SIGMA = "sigma"
IN_BOTH = "with a value in both versions"


@dataclass
class Drawing:
    """A comparison while it is drawn; its pictures are written into a folder."""

    pair: Pair
    folder: Path
    summary: str = ""
    fraction: float | None = None
    typical: float | None = None
    unit: str = ""
    largest: LargestDifference | None = None
    flags: tuple[FlagDifference, ...] = ()
    moved: str = ""
    panels: list[DrawnPanel] = field(default_factory=list)
    statistics: list[Statistic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_thumbnail: bool = False

    def add(self, file: str, title: str, alt: str, content: bytes) -> None:
        """Write a picture, which is a PNG file."""
        (self.folder / file).write_bytes(content)
        width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
        self.panels.append(
            DrawnPanel(file=file, title=title, width=width, height=height, alt=printable(alt))
        )

    def state(self, name: str, value: str, unit: str = "") -> None:
        """Add a number to the table."""
        self.statistics.append(Statistic(name=name, value=value, unit=unit))

    def state_fraction(self, name: str, count: int, total: int, what: str = "") -> None:
        """Add a count as a fraction of a total, and what that counts."""
        share = percent(count / total if total else 0.0)
        self.state(name, share, f"of the {total:,} {what or 'values'} ({count:,})")

    def state_percentiles(self, name: str, values: np.ndarray, unit: str) -> None:
        """Add the percentiles of finite values; where few are not 0, the largest one instead."""
        if are_few(values):
            largest = f"{values[np.argmax(np.abs(values))]:.3g}".replace("-", "\u2212")
            self.state(f"largest {name}", largest, unit)
        elif len(values):
            numbers = ", ".join(f"{value:.3g}" for value in np.percentile(values, PERCENTILES))
            self.state(f"{name} (16, 50, 84 %)", numbers.replace("-", "\u2212"), unit)

    def summarize(self, what: str, count: int, total: int, sizes: np.ndarray, unit: str) -> None:
        """Say in one line how many changed, and by how much: the median of |sizes| above 0."""
        self.fraction = count / total if total else None
        if not total:
            self.summary = f"there are no {what}"
            return
        if not count:
            self.summary = f"all {what} are equal"
            return
        verb = "changed" if self.pair.kind == CHANGE else "differ"
        self.summary = f"{percent(count / total)} of the {what} {verb}"
        sizes = np.abs(sizes[sizes != 0])
        if len(sizes):
            self.typical, self.unit = float(np.median(sizes)), unit
            self.summary += f", by {f'{self.typical:.2g} {unit}'.strip()} (median of those)"

    def note(self, *texts: str) -> None:
        """Add sentences; empty ones are left out."""
        self.notes += [text for text in texts if text]

    @property
    def done(self) -> DrawnComparison:
        """The finished record."""
        return DrawnComparison(
            version=VERSION,
            name=self.pair.name,
            kind=self.pair.kind,
            title=f"{self.pair.filename}: {self.pair.title}",
            summary=self.summary,
            fraction=self.fraction,
            typical=self.typical,
            unit=self.unit,
            largest=self.largest,
            flags=self.flags,
            moved=self.moved,
            panels=tuple(self.panels),
            statistics=tuple(self.statistics),
            notes=tuple(printable(note) for note in self.notes),
            is_thumbnail=self.is_thumbnail,
        )


def are_few(values: np.ndarray) -> bool:
    """Return whether so few values are not 0 that percentiles of all say nothing."""
    return bool(0 < np.count_nonzero(values) < FEW * len(values))


def unit_of(text: object) -> str:
    """Return a unit as a file names it, safe to print."""
    return printable(str(text or "").strip())[:MAX_UNIT]
