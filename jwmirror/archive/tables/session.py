"""astroquery for one MAST server, and the bounds of its requests."""

import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from jwmirror.core.errors import ArchiveError, MaintenanceError
from jwmirror.net.bounds import JsonBudget, bound_responses
from jwmirror.net.http import Timeouts, names_folders, retry_policy, trusted_certificates
from jwmirror.net.web_pages import HEAD, WITH_PAGES, page_title

SECRETS = ("Cookie", "Authorization")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # before a query is repeated (status EXECUTING)
LARGEST_ANSWER = 1 << 29  # bytes of an answer, with all its pages
MOST_VALUES = 15_000_000  # in an answer; 300,000 rows of products have 9 million
VALUES_OF_PAGE = 10_000  # that a page counts as, though it may be empty: 1,500 pages at most
LONGEST_S = 86_400.0  # in place of astroquery's own limit of 600 s for one query
VERSIONS = ((0, 4, 11), (0, 4, 12))  # of astroquery: the first and the last that were tried
_IMPORT = threading.Lock()  # of astroquery.mast, which reads the process's environment


class BoundedAdapter(HTTPAdapter):
    """An HTTP adapter for requests: bounds of time and size, secrets for one server only.

    The bounds are those of all requests since `begin`.
    """

    def __init__(self, url: str, timeouts: Timeouts, timeout_s: float):
        self._home, self._timeouts, self._timeout_s = urlsplit(url), timeouts, timeout_s
        self.requests = self.received = 0  # since it was made; bytes of answers, decoded
        super().__init__()
        self.begin()

    def begin(self, attempts: int | None = None, refusals: int | None = None) -> None:
        """Begin a query, which may take `timeout_s` from now; `attempts`: of each request.

        After so many `refusals` with a status of an error, a request is not sent again.
        """
        self._deadline = time.monotonic() + self._timeout_s
        self._last: Any = None  # body of the last request
        self._pause_s = FIRST_PAUSE_S
        self._budget = JsonBudget(LARGEST_ANSWER, MOST_VALUES)
        timeouts = replace(self._timeouts, attempts=attempts or self._timeouts.attempts)
        policy = retry_policy(timeouts)
        self.max_retries = policy if refusals is None else policy.new(status=refusals - 1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of connections."""
        super().init_poolmanager(*args, **kwargs)
        bound_responses(self.poolmanager, LARGEST_ANSWER)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the manager of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        bound_responses(manager, LARGEST_ANSWER)
        return manager

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Set the trusted certificates of a connection; requests knows but one folder of them."""
        if isinstance(verify, str) and names_folders(verify):
            conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir = "CERT_REQUIRED", None, verify
        else:
            super().cert_verify(conn, url, verify, cert)

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request; one that repeats the last query waits first."""
        self._wait_to_repeat(request)
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise requests.Timeout("the time for this query is over")
        if urlsplit(request.url)[:2] != self._home[:2]:
            for name in SECRETS:
                request.headers.pop(name, None)
        kwargs["verify"] = trusted_certificates() or True  # requests knows but two of the variables
        kwargs["timeout"] = (self._timeouts.connect_s, min(self._timeouts.read_s, left_s))
        self.requests += 1
        response = super().send(request, *args, **kwargs)
        response.raw.stream = self._bounded(response.raw.stream)
        if response.status_code in WITH_PAGES:
            _check_page(response)
        return response

    def _wait_to_repeat(self, request: requests.PreparedRequest) -> None:
        if self._last is not None and request.body == self._last:
            time.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._last, self._pause_s = request.body, FIRST_PAUSE_S

    def _bounded(self, stream: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        """Return urllib3's `stream`, which spends the budget on what it yields, decoded."""

        def pieces(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            self._budget.values -= VALUES_OF_PAGE
            for piece in stream(*args, **kwargs):
                self._budget.spend(piece)
                self.received += len(piece)
                yield piece

        return pieces


def _check_page(response: requests.Response) -> None:
    """Raise MaintenanceError if a web page came in place of a table, or of its columns."""
    if title := page_title(response.status_code, response.content[:HEAD]):
        host = urlsplit(response.url).netloc
        raise MaintenanceError("MAST query", "MAST", host, response.status_code, title)


def import_astroquery(url: str) -> Any:
    """Import and return astroquery.mast for one server.

    It keeps the server that was configured when it was first imported; a later setting changes
    that for some of its requests only.
    """
    with _IMPORT:
        if "astroquery.mast" not in sys.modules:
            check_version()
            with tempfile.TemporaryDirectory() as folder, _config_folder(folder):
                Path(folder, "astroquery.cfg").write_text(f'[mast]\nserver = "{url}"\n')
                import astroquery.mast
    import astroquery.mast
    from astroquery.mast.discovery_portal import PortalAPI

    if urlsplit(PortalAPI.MAST_REQUEST_URL)[:2] != urlsplit(url)[:2]:
        raise ArchiveError(
            f"astroquery.mast was imported in this process for {PortalAPI.MAST_REQUEST_URL}, and "
            f"cannot query {url} any more; use another process."
        )
    PortalAPI.TIMEOUT = LONGEST_S
    return astroquery.mast


def check_version() -> None:
    """Raise ArchiveError if astroquery is of a version that was not tried."""
    found = version("astroquery")
    if not VERSIONS[0] <= tuple(map(int, re.findall(r"\d+", found)[:3])) <= VERSIONS[1]:
        first, last = (".".join(map(str, numbers)) for numbers in VERSIONS)
        raise ArchiveError(
            f"astroquery {found} is installed; expected {first} to {last}: other versions may "
            "answer queries in part; nothing was queried; install one of these with "
            f"`pip install 'astroquery>={first},<={last}'`."
        )


@contextmanager
def _config_folder(folder: str) -> Iterator[None]:
    """Make astropy look for config files in `folder` only."""
    former = os.environ.get("ASTROPY_CONFIG_DIR")
    os.environ["ASTROPY_CONFIG_DIR"] = folder
    try:
        yield
    finally:
        if former is None:
            del os.environ["ASTROPY_CONFIG_DIR"]
        else:
            os.environ["ASTROPY_CONFIG_DIR"] = former
