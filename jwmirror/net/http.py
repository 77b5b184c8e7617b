"""An HTTP client with bounded times and retries, whose token is shown to one host only."""

import ipaddress
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, ProtocolError

from jwmirror import __version__
from jwmirror.core.errors import MAX_TEXT, ConfigError, plain_text
from jwmirror.net.bounds import BoundsError, bound_responses

USER_AGENT = f"jwmirror/{__version__} python-urllib3/{version('urllib3')}"
TOKEN_VARIABLE = "MAST_API_TOKEN"  # of the environment, by MAST's convention
DEFAULT_PORTS = (None, 80, 443)
REFUSALS = (400, 401, 403)  # statuses of a signed address that has expired
RETRIED = (408, 429, 500, 502, 503, 504)  # statuses that may be temporary
REDIRECTS = 5
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
CHUNK = 1 << 18  # bytes
LARGEST_FILE = 1 << 36  # bytes
LARGEST_ANSWER = 1 << 26  # bytes of an answer to a query


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Limits of how long and how often to try before giving up."""

    connect_s: float = 15.0
    read_s: float = 60.0  # the longest silence, and the window in which bytes are counted
    attempts: int = 5  # of a request, until it is answered
    bodies: int = 3  # of a file, until its bytes are right
    backoff_s: float = 0.5  # doubles with each attempt
    retry_after_s: float = 120.0  # the longest wait that a server may ask for with Retry-After
    keep_from: int = 1 << 20  # bytes; smaller files are not resumed


class HttpClient:
    """HTTP requests to one server; `open` asks and `receive` streams a body.

    Responses have bounds (net/bounds.py), so that each one ends. Proxies and certificates are those
    that the environment names, as for astroquery. All methods may be called by any thread, and
    raise urllib3's HTTPError.
    """

    def __init__(
        self,
        connections: int,
        timeouts: Timeouts,
        token: str | None = None,
        halt: threading.Event | None = None,
        token_variable: str = TOKEN_VARIABLE,
    ):
        self.timeouts, self.halt = timeouts, halt or threading.Event()
        self._token, self.has_token, self.token_variable = token, bool(token), token_variable
        trusted = trusted_certificates()
        self._settings: dict[str, Any] = {  # as urllib3's PoolManager takes them
            "maxsize": connections,
            "retries": retry_policy(timeouts, self.halt),
            "timeout": urllib3.Timeout(connect=timeouts.connect_s, read=timeouts.read_s),
            "ca_cert_dir" if names_folders(trusted or "") else "ca_certs": trusted,
        }
        self._pools: dict[tuple[str, int], urllib3.PoolManager] = {}  # by host of the URLs, bound
        self._pools_lock = threading.Lock()

    def open(
        self, url: str, headers: Mapping[str, str] | None = None, show_token: bool = False
    ) -> urllib3.BaseHTTPResponse:
        """GET `url`, its body unread; urllib3 drops the token where a redirect leaves the host.

        A redirect may lead to an address that is signed for a short time: if that one is refused,
        `url` is requested once more, which gives a fresh one.
        """
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
        if show_token and self._token:
            check_token_url(url)
            sent["Authorization"] = f"token {self._token}"
        response = self._get(url, sent)
        if response.status in REFUSALS and answering_url(url, response) != url:
            discard(response)
            response = self._get(url, sent)
        return response

    def _get(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        pool = self._pool(url)
        with _as_http_error():
            return pool.request(
                "GET", url, headers=headers, preload_content=False, decode_content=False
            )

    def post(self, url: str, body: bytes) -> urllib3.BaseHTTPResponse:
        """POST a query in JSON; the answer is read, and not decoded: no encoding was requested."""
        sent = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        pool = self._pool(url, LARGEST_ANSWER)
        with _as_http_error():
            return pool.request("POST", url, body=body, headers=sent, decode_content=False)

    def receive(
        self, response: urllib3.BaseHTTPResponse, on_bytes: Callable[[bytes], object]
    ) -> None:
        """Pass a body to `on_bytes`, piece by piece; HTTPError when it is cut or too slow."""
        while piece := _read_piece(response):
            on_bytes(piece)

    def close(self) -> None:
        """Close the connections; threads that wait before a retry give up."""
        self.halt.set()
        for pool in self._pools.values():
            pool.clear()

    def _pool(self, url: str, largest: int = LARGEST_FILE) -> urllib3.PoolManager:
        """Return the connections to a URL's host, through its proxy if there is one."""
        key = (url[: url.find("/", len("https://"))], largest)
        if key not in self._pools:
            with self._pools_lock:
                manager = _connections(proxy_for(url), self._settings)
                bound_responses(manager, largest)
                self._pools[key] = manager
        return self._pools[key]


@contextmanager
def _as_http_error() -> Iterator[None]:
    """Convert what urllib3 and http.client raise for odd heads and URLs to HTTPError."""
    try:
        yield
    except HTTPError:
        raise
    except Exception as err:  # ValueError, UnicodeError, HTTPException...
        raise HTTPError(plain_text(err)) from err


def _read_piece(response: urllib3.BaseHTTPResponse) -> bytes:
    with _as_http_error():
        return response.read1(CHUNK)


def read_head(response: urllib3.BaseHTTPResponse, size: int) -> bytes:
    """Return the first `size` bytes of a body, or all if it is shorter."""
    with _as_http_error():
        return response.read(size)


def answering_url(url: str, response: urllib3.BaseHTTPResponse) -> str:
    """Return the URL that gave a response to a request of `url`, after redirects."""
    for step in response.retries.history if response.retries else ():
        url = urljoin(url, step.redirect_location or "")
    return url


def failing_host(url: str, error: HTTPError) -> str:
    """Return the host that did not answer a request of `url`; a redirect may lead to another."""
    pool = getattr(error, "pool", None)
    if pool is None or pool.host == urlsplit(url).hostname:
        return urlsplit(url).netloc
    return pool.host if pool.port in DEFAULT_PORTS else f"{pool.host}:{pool.port}"


def discard(response: urllib3.BaseHTTPResponse) -> None:
    """Close the connection of a response whose body is not wanted, and free its place."""
    response.close()
    response.release_conn()  # the place in the pool, whose connection is opened again when needed


# ---- retries ---------------------------------------------------------------------------------


def retry_policy(timeouts: Timeouts, halt: threading.Event | None = None) -> urllib3.Retry:
    """Return retries of requests that change nothing at the server, POSTed queries too."""
    policy = BoundedRetry(
        total=timeouts.attempts - 1,
        redirect=REDIRECTS,
        status_forcelist=RETRIED,
        allowed_methods=None,
        backoff_factor=timeouts.backoff_s,
        retry_after_max=timeouts.retry_after_s,  # type: ignore[arg-type]  # fractions work, too
        raise_on_status=False,
    )
    policy.halt = halt or policy.halt
    return policy


class BoundedRetry(urllib3.Retry):
    """Retries whose waits end when `halt` is set."""

    halt = threading.Event()  # never set

    def new(self, **changes: Any) -> "BoundedRetry":
        """Return the retries that are left; the changes are urllib3's."""
        left = super().new(**changes)
        left.halt = self.halt
        return left

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Wait as long as the server asks for, or longer each time."""
        if not (response and self.sleep_for_retry(response)):
            self._wait(self.get_backoff_time())

    def sleep_for_retry(self, response: urllib3.BaseHTTPResponse) -> bool:
        """Wait as long as Retry-After says, within bounds; False if that cannot be read."""
        try:
            seconds = self.get_retry_after(response)
        except urllib3.exceptions.InvalidHeader:
            seconds = None
        if seconds:
            self._wait(seconds)
        return bool(seconds)

    def _wait(self, seconds: float) -> None:
        if self.halt.wait(seconds):
            raise HTTPError("given up while waiting to ask again")


# ---- what the environment and the config say -------------------------------------------------


def proxy_for(url: str) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for a URL."""
    parts, proxies = urlsplit(url), urllib.request.getproxies_environment()
    is_direct = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]  # no stub
    if not proxies or is_direct(parts.netloc.rpartition("@")[2], proxies):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def trusted_certificates() -> str | None:
    """Return the file or folders of certificates that the environment names first; None without."""
    return next(filter(None, map(os.environ.get, CERTIFICATES)), None)


def names_folders(certificates: str) -> bool:
    """Return whether certificates are in folders; OpenSSL takes several with colons between."""
    return any(map(os.path.isdir, certificates.split(os.pathsep)))


def base_url(url: str) -> str:
    """Return a server's URL without a closing slash; ConfigError if it is not a URL."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(
            [f"server URL {url!r}: expected http(s)://host; correct it in the config"]
        )
    return url.rstrip("/")


def check_token_url(url: str) -> None:
    """Check that others on the network could not read a token that is sent to `url`.

    It may travel over https, and over http inside this machine.

    Raises:
        ConfigError: says what to do instead.
    """
    parts = urllib3.util.parse_url(url)  # the parser that finds the host to connect to
    if parts.scheme == "https":
        return
    if not _is_loopback((parts.host or "").strip("[]")):
        raise ConfigError(
            [
                f"archive.url {url}: a token is set, and would be readable on the network; use an "
                "address that begins with https://, or unset the token (archive.token_env in the "
                "config names its variable)"
            ]
        )
    if proxy := proxy_for(url):
        host = urllib3.util.parse_url(proxy).host
        raise ConfigError(
            [
                f"archive.url {url}: a token is set, and would be readable by the proxy {host}; "
                f"add {parts.host} to NO_PROXY in the environment"
            ]
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _connections(proxy: str | None, settings: dict[str, Any]) -> urllib3.PoolManager:
    if not proxy:
        return urllib3.PoolManager(**settings)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    user = urllib3.util.parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
    try:
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)
    except urllib3.exceptions.ProxySchemeUnknown as err:
        raise ConfigError(
            [f"proxy of scheme {urlsplit(proxy).scheme!r} in the environment: expected http(s)"]
        ) from err


def error_words(why: object) -> str:
    """Return the message of a foreign error, shortened, without class and connection names."""
    why = getattr(why, "reason", None) or why
    if isinstance(why, IncompleteRead):
        return f"{why.partial} bytes came, {why.expected} more were announced"
    if isinstance(why, BoundsError):
        return str(why.strerror)
    cause = why.__cause__ if isinstance(why, ProtocolError) else None
    if isinstance(cause, IncompleteRead) and isinstance(cause.expected, int):
        return error_words(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if isinstance(cause, HTTPException):
        return "the last part of the body is missing"
    text = plain_text(why) if isinstance(why, BaseException) else str(why)
    is_named = text.startswith(("HTTPConnection", "HTTPSConn"))
    return (text.partition(": ")[2] if is_named else text)[:MAX_TEXT]
