"""Compare a source catalogue with the true stars."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table

REACH = 100 * units.mas  # a source farther than this from a true star is not that star


@dataclass(frozen=True, kw_only=True)
class Photometry:
    """How well a source catalogue recovers the true stars."""

    recovered: float  # fraction of the true stars found within 100 mas
    flux_ratio: float  # median of measured over true flux, of the stars found
    offset_mas: float  # length of the median offset on the sky, of the stars found

    @property
    def good(self) -> bool:
        """At least 95 % of the stars, flux within 2 %, position within 5 mas."""
        return self.recovered >= 0.95 and abs(self.flux_ratio - 1) <= 0.02 and self.offset_mas <= 5


def compare(catalogue_path: Path, truth_path: Path) -> Photometry:
    """Compare a `_cat.ecsv` of jwst (its isophotal flux) with a truth table of the telescope."""
    sources, truth = QTable.read(catalogue_path), Table.read(truth_path)
    stars = SkyCoord(truth["ra"], truth["dec"], unit="deg")
    nearest, distance, _ = stars.match_to_catalog_sky(sources["sky_centroid"])
    found = distance < REACH
    if not found.any():
        return Photometry(recovered=0.0, flux_ratio=np.nan, offset_mas=np.nan)
    matched = sources[nearest[found]]
    east, north = stars[found].spherical_offsets_to(matched["sky_centroid"])
    ratio = matched["isophotal_flux"].to_value("Jy") / truth["flux_jy"][found]
    offset = np.hypot(np.median(east.to_value("mas")), np.median(north.to_value("mas")))
    return Photometry(
        recovered=float(found.mean()),
        flux_ratio=float(np.nanmedian(ratio)),
        offset_mas=float(offset),
    )
