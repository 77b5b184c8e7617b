"""How every request goes out: named, patient within bounds, and with a token that stays home."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import BinaryIO
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment

import urllib3
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    InvalidHeader,
    ProtocolError,
    ProxySchemeUnknown,
)

from jwmirror import __version__
from jwmirror.core.errors import ConfigError

USER_AGENT = f"jwmirror/{__version__} python-urllib3/{urllib3.__version__}"
RETRIED = (408, 429, 500, 502, 503, 504)  # statuses that may heal
REDIRECTS = 5
CHUNK = 1 << 18  # bytes
SLOWEST = 1024  # bytes/s, over a window of `Timeouts.stall_s`


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long and how often to try before giving up."""

    connect_s: float = 15.0
    read_s: float = 60.0  # the longest silence
    stall_s: float = 60.0  # a window in which the mean speed may be below SLOWEST
    attempts: int = 5  # of a request, until it is answered
    bodies: int = 3  # of a file, until its bytes are right
    backoff_s: float = 0.5  # doubles with each attempt
    retry_after_s: float = 120.0  # the longest wait a server may ask for with Retry-After
    keep_from: int = 1 << 20  # bytes of a file that is worth resuming


def retry_policy(patience: Timeouts, halt: threading.Event | None = None) -> urllib3.Retry:
    """Retries of requests that change nothing at the server, POSTed queries too."""
    again = BoundedRetry(
        total=patience.attempts - 1,
        redirect=REDIRECTS,
        status_forcelist=RETRIED,
        allowed_methods=None,
        backoff_factor=patience.backoff_s,
        retry_after_max=patience.retry_after_s,
        raise_on_status=False,
    )
    again.halt = halt or again.halt
    return again


class BoundedRetry(urllib3.Retry):
    """Retries whose waits end when `halt` is set."""

    halt = threading.Event()  # never set

    def new(self, **changes: object) -> "BoundedRetry":
        """The retries that are left."""
        left = super().new(**changes)
        left.halt = self.halt
        return left

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Wait as long as the server asks for, or longer each time."""
        if not (response and self.sleep_for_retry(response)):
            self._wait(self.get_backoff_time())

    def sleep_for_retry(self, response: urllib3.BaseHTTPResponse) -> bool:
        """Wait as long as Retry-After says, within bounds; False if it says nothing clear."""
        try:
            asked = self.get_retry_after(response)
        except InvalidHeader:
            asked = None
        if asked:
            self._wait(asked)
        return bool(asked)

    def _wait(self, seconds: float) -> None:
        if self.halt.wait(seconds):
            raise HTTPError("given up while waiting to ask again")


class HttpClient:
    """HTTP to one server: `open` asks, `receive` streams a body; both raise urllib3's HTTPError.

    Proxies and certificates are those that the environment names, as for astroquery.
    """

    def __init__(self, connections: int, patience: Timeouts, token: str | None = None):
        self.patience, self.halt = patience, threading.Event()
        self._token = token
        self._settings = {
            "maxsize": connections,
            "retries": retry_policy(patience, self.halt),
            "timeout": urllib3.Timeout(connect=patience.connect_s, read=patience.read_s),
            "ca_certs": certificate_file(),
        }
        self._pools: dict[str, urllib3.PoolManager] = {}  # by scheme and host that are asked
        self._making = threading.Lock()

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections to a URL's host, by way of its proxy if there is one."""
        host = url[: url.find("/", len("https://"))]
        if host not in self._pools:
            with self._making:
                self._pools[host] = _through(proxy_for(url), self._settings)
        return self._pools[host]

    @property
    def has_token(self) -> bool:
        """Whether there is a token to show."""
        return bool(self._token)

    def open(
        self, url: str, headers: Mapping[str, str] | None = None, show_token: bool = False
    ) -> urllib3.BaseHTTPResponse:
        """GET `url`, its body unread; urllib3 drops the token where a redirect leaves the host."""
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
        if show_token and self._token:
            sent["Authorization"] = f"token {self._token}"
        return self._pool(url).request(
            "GET", url, headers=sent, preload_content=False, decode_content=False
        )

    def post(self, url: str, body: bytes) -> urllib3.BaseHTTPResponse:
        """POST a question in JSON; the answer is read."""
        sent = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        return self._pool(url).request("POST", url, body=body, headers=sent)

    def receive(
        self,
        response: urllib3.BaseHTTPResponse,
        file: BinaryIO,
        on_bytes: Callable[[bytes], None],
    ) -> int:
        """Stream a body into `file`, telling `on_bytes` each piece; its length in bytes.

        Raises HTTPError when the body is cut, and StalledError when it crawls.
        """
        total, mark, since = 0, 0, time.monotonic()
        while piece := response.read1(CHUNK):
            file.write(piece)
            on_bytes(piece)
            total += len(piece)
            if (elapsed := time.monotonic() - since) > self.patience.stall_s:
                if total - mark < SLOWEST * elapsed:
                    raise StalledError(f"{total - mark} bytes in {elapsed:.0f} s")
                mark, since = total, time.monotonic()
        return total

    def close(self) -> None:
        """Close the connections; who waits to ask again gives up."""
        self.halt.set()
        for pool in self._pools.values():
            pool.clear()


def proxy_for(url: str) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for a URL."""
    parts, proxies = urlsplit(url), getproxies_environment()
    if not proxies or proxy_bypass_environment(parts.netloc.rpartition("@")[2], proxies):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def certificate_file() -> str | None:
    """The file of certificates that the environment names; None for the system's own."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


def _through(proxy: str | None, settings: dict) -> urllib3.PoolManager:
    if not proxy:
        return urllib3.PoolManager(**settings)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    user = urllib3.util.parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
    try:
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)
    except ProxySchemeUnknown as err:
        raise ConfigError(
            [f"proxy of scheme {urlsplit(proxy).scheme!r} in the environment: expected http(s)"]
        ) from err


class StalledError(HTTPError):
    """A body came more slowly than is worth waiting for."""


def discard(response: urllib3.BaseHTTPResponse) -> None:
    """Give up a response whose body is not wanted: close its connection, free its place."""
    response.close()
    response.release_conn()  # the place in the pool, whose connection is opened again when needed


def error_words(why: object) -> str:
    """What a foreign error says, without its names for things."""
    why = getattr(why, "reason", None) or why
    if isinstance(why, IncompleteRead):
        return f"{why.partial} bytes came, {why.expected} more were announced"
    cause = why.__cause__ if isinstance(why, ProtocolError) else None
    if isinstance(cause, IncompleteRead) and isinstance(cause.expected, int):
        return error_words(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if isinstance(cause, HTTPException):
        return "the last part of the body is missing"
    text = str(why)
    return text.partition(": ")[2] if text.startswith(("HTTPConnection", "HTTPSConn")) else text


def base_url(url: str) -> str:
    """A server's URL without a closing slash; ConfigError if it is not one."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(
            [f"server URL {url!r}: expected http(s)://host; correct it in the config"]
        )
    return url.rstrip("/")
