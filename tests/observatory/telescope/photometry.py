"""Hold a source catalogue against the truth."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Photometry:
    """How well a catalogue recovers the stars that are really there."""

    recovered: float  # fraction of the true stars found within 100 mas
    flux_ratio: float  # median of measured over true flux, of the stars found
    offset_mas: float  # length of the median offset on the sky, of the stars found

    @property
    def good(self) -> bool:
        """At least 95 % of the stars, flux within 2 %, position within 5 mas."""
        return self.recovered >= 0.95 and abs(self.flux_ratio - 1) <= 0.02 and self.offset_mas <= 5


def compare(catalogue_path: Path, truth_path: Path) -> Photometry:
    """Compare a `_cat.ecsv` of jwst with a truth table of the telescope."""
    raise NotImplementedError
