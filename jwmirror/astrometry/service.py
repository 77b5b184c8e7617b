"""A client of the service that jwst queries for stars (ASTROMETRIC_CATALOG_URL of stcal)."""

import math
from http import HTTPStatus
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from jwmirror.core.errors import MissingSliceError, failures_as
from jwmirror.core.model.sky.slices import CatalogueCone
from jwmirror.net.http import (
    LARGEST_ANSWER,
    RETRIED,
    HttpClient,
    Timeouts,
    base_url,
    error_words,
)
from jwmirror.net.web_pages import HEAD, page_title
from jwmirror.pipeline.gaia.slice_text import (
    NO_STARS,
    announced_stars,
    columns_of,
    star_rows,
)

PATH = "vo/CatalogSearch.aspx"  # as in stcal 1.0 to 1.20
NEEDED = ("ra", "dec", "mag", "objID", "epoch", "pmra", "pmdec")  # columns that stcal reads
OLDEST_EPOCH = 2015.0  # of Gaia's catalogues: DR1
NEAR = 1 / 3600  # degrees beyond the cone and its motion that a star may be
TIMEOUTS = Timeouts(connect_s=15, read_s=60, attempts=3)


class CatalogueService:
    """Queries to one service; MissingSliceError where there is no valid answer.

    Once it does not answer, or is in maintenance, it is not asked again.
    """

    def __init__(self, url: str, timeouts: Timeouts = TIMEOUTS):
        self.url = base_url(url)
        self._http = HttpClient(1, timeouts)
        self._unreachable = ""

    def fetch(self, cone: CatalogueCone) -> str:
        """Return the verified answer for a cone, as the service wrote it.

        Raises:
            MissingSliceError: the service does not answer, or its answer is not a list of stars of
                the cone.
        """
        if self._unreachable:
            raise self._error(cone, self._unreachable)
        try:
            response = self._http.open(self._address(cone))
        except HTTPError as err:
            self._unreachable = str(error_words(err))
            raise self._error(cone, self._unreachable) from err
        is_bounded = bool({"Content-Length", "Transfer-Encoding"} & set(response.headers))
        with failures_as(lambda why: self._error(cone, why)):
            answer = self._body(response).decode("utf-8")
            check_answer(answer, cone, is_bounded)
        return answer

    def _body(self, response: BaseHTTPResponse) -> bytes:
        """Return a response's body; ValueError if it was cut, or is that of an error."""
        body = bytearray()

        def keep(piece: bytes) -> None:
            body.extend(piece)
            if len(body) > LARGEST_ANSWER:
                raise ValueError(f"more than {LARGEST_ANSWER} bytes came")

        try:
            self._http.receive(response, keep)
        except HTTPError as err:
            raise ValueError(error_words(err)) from err
        status, title = response.status, page_title(response.status, bytes(body[:HEAD]))
        why = f"status {status} came" + (f" with a web page ({title})" if title else "")
        if title is not None or status in RETRIED:
            self._unreachable = why
        if title is not None or status != HTTPStatus.OK:
            raise ValueError(why)
        return bytes(body)

    def _address(self, cone: CatalogueCone) -> str:
        """Return the address of a query, as stcal writes it."""
        return (
            f"{self.url}/{PATH}?RA={cone.ra}&DEC={cone.dec}&EPOCH={cone.epoch}"
            f"&SR={cone.radius}&FORMAT=CSV&CAT={cone.catalogue}"
        )

    def _error(self, cone: CatalogueCone, why: object) -> MissingSliceError:
        return MissingSliceError(
            f"{cone}: {urlsplit(self.url).netloc}: {why!s:.300}; nothing was stored; check "
            "references.gaia.url in the config and the network, and run again."
        )


def check_answer(answer: str, cone: CatalogueCone, is_bounded: bool = True) -> None:
    """Check that an answer lists stars of a cone, with the columns that stcal reads.

    `is_bounded`: a cut of the connection would have shown. Otherwise the last line must have an
    end.

    Raises:
        ValueError: says what is wrong. What astropy raises for a table that it cannot read.
    """
    if answer.startswith(NO_STARS):
        return
    columns = columns_of(answer)
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(
            f"expected a table with columns {', '.join(missing)}, found {columns!s:.80}"
        )
    if not is_bounded and not answer.endswith("\n"):
        raise ValueError("the last line is cut")
    count = _count_stars(answer, cone)
    if (announced := announced_stars(answer)) not in (None, count):
        raise ValueError(f"expected {announced} stars, as the answer says, found {count}")
    _read_as_stcal(answer)


def _count_stars(answer: str, cone: CatalogueCone) -> int:
    """Return the number of stars; ValueError if one is outside the cone.

    The service may search at the catalogue's own epoch, before it moves the stars.
    """
    years = abs(cone.epoch - OLDEST_EPOCH) + 1
    count = 0
    for row in star_rows(answer):
        reach = cone.radius + NEAR + row.motion * years / 3.6e6
        distance = cone.distance(row.ra, row.dec)
        if not distance <= reach or not math.isfinite(distance):
            raise ValueError(
                f"expected stars within {cone.radius:.4f} degrees, found one at {distance:.4f}"
            )
        count += 1
    return count


def _read_as_stcal(answer: str) -> None:
    from astropy.table import Table

    Table.read(answer, format="csv", comment="#")
