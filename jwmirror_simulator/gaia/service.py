"""A catalogue service on loopback: cones of stars, moved to the epoch of the query, as CSV."""

from collections.abc import Callable, Iterator
from functools import cached_property
from threading import Lock

import numpy as np

from jwmirror_simulator.gaia.stars import EPOCH, CatalogueStars, distance
from jwmirror_simulator.mast.api.messages import Request, Response, as_text
from jwmirror_simulator.mast.api.server import Server
from jwmirror_simulator.mast.faults import Fault

PATH = "/vo/CatalogSearch.aspx"
CATALOGUES = ("GAIAREFCAT", "GAIADR3", "GAIADR2", "GAIADR1")
COLUMNS = ("hstID", "objID", "ra", "raErr", "dec", "decErr", "mag", "epoch", "pmra", "pmdec")
FIRST_ID = 4_000_000_000_000_000  # objID of the first star
NO_STARS = "No data records found for this query\r\n"


class CatalogueServer:
    """Answers jwst's queries for stars at `url`; `requests` has the parameters of each.

    `draw` returns the stars; it is called with the first query. Faults are those of `mast.faults`.
    """

    def __init__(self, draw: Callable[[], CatalogueStars], port: int = 0):
        self._draw = draw
        self.requests: list[dict[str, str]] = []
        self._faults: list[Fault] = []
        self._lock = Lock()
        self._server = Server(self._answer, lambda *_: None, port)

    @cached_property
    def stars(self) -> CatalogueStars:
        """The stars as they are now; they may be replaced, also while they are served."""
        return self._draw()

    @property
    def url(self) -> str:
        """Value for ASTROMETRIC_CATALOG_URL, and for references.gaia.url."""
        return f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> "CatalogueServer":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def fault(self, fault: Fault) -> None:
        """Apply a fault to all answers."""
        self._faults.append(fault)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def shift(self, ra: float, dec: float, radius: float, east: float, north: float) -> None:
        """Move the stars of a field by arcsec, as a corrected catalogue would."""
        self.stars = self.stars.shifted(self.stars.near(ra, dec, radius), east, north)

    def _answer(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request.params)
            response = self._response(request)
            for fault in self._faults:
                response = fault.apply(response)
            return response

    def _response(self, request: Request) -> Response:
        if request.path != PATH:
            return as_text(f"{request.path}: not found\n", 404)
        params = request.params
        if params.get("CAT") not in CATALOGUES:
            return as_text("Error: unknown catalogue\r\n", 200)
        epoch = float(params["EPOCH"]) if "EPOCH" in params else None
        ra, dec, radius = (float(params[name]) for name in ("RA", "DEC", "SR"))
        return as_text("".join(lines_within(self.stars, ra, dec, radius, epoch)), 200)


def lines_within(
    stars: CatalogueStars, ra: float, dec: float, radius: float, epoch: float | None
) -> Iterator[str]:
    """Yield the lines of an answer: how many stars, the columns, and the stars in the cone."""
    ras, decs = stars.at(epoch)
    (chosen,) = np.nonzero(distance(ras, decs, ra, dec) <= radius)
    if not len(chosen):
        yield NO_STARS
        return
    yield f"# Objects found : {len(chosen)}\r\n"
    yield ",".join(COLUMNS) + "\r\n"
    for i in chosen:
        motion = ("", "") if np.isnan(stars.pmra[i]) else (stars.pmra[i], stars.pmdec[i])
        pmra, pmdec = (text if text == "" else f"{text:.4f}" for text in motion)
        yield (
            f"S{i:08d},{FIRST_ID + i},{ras[i]:.10f},0.05,{decs[i]:.10f},0.05,"
            f"{stars.mag[i]:.4f},{EPOCH if epoch is None else epoch:.4f},{pmra},{pmdec}\r\n"
        )
