"""Checks of servers: whether they answer, through which proxy, and how far the clocks differ."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError, MaxRetryError, ProxyError, SSLError

from jwmirror.net.http import (
    HttpClient,
    Timeouts,
    discard,
    error_words,
    failing_host,
    proxy_for,
    read_head,
)
from jwmirror.net.web_pages import HEAD, page_title
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check

BRIEF = Timeouts(connect_s=10, read_s=30, attempts=2, bodies=1, backoff_s=0.2, retry_after_s=5)
ONCE = Timeouts(connect_s=10, read_s=15, attempts=1)
LARGEST_SKEW_S = 60.0  # between this clock and a server's; times in records are then misleading
SET_CLOCK = "set the clock of this machine (NTP): times of records and of runs would be wrong"


@dataclass(frozen=True, kw_only=True)
class Contact:
    """The answer of a server to one GET; `error` if there was none."""

    url: str
    host: str  # that answered, or did not; a redirect may lead to another
    error: HTTPError | None = None
    status: int = 0
    page: str | None = None  # title of the web page that came
    skew_s: float | None = None  # by which its clock is ahead of ours; None if it sent no Date


def contact(url: str) -> Contact:
    """Return a server's answer to a GET of `url`, whatever its status."""
    client, started = HttpClient(1, ONCE), time.time()
    try:
        response = client.open(url)
        now = (started + time.time()) / 2
        page = page_title(response.status, read_head(response, HEAD))
        discard(response)
    except HTTPError as err:
        return Contact(url=url, host=failing_host(url, err), error=err)
    finally:
        client.close()
    date, host = _seconds(response.headers.get("Date", "")), urlsplit(url).netloc
    skew_s = None if date is None else date - now
    return Contact(
        url=url, host=host.rpartition("@")[2], status=response.status, page=page, skew_s=skew_s
    )


def _seconds(date: str) -> float | None:
    """Return the time in a Date header, in seconds since 1970; None if it is not one."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def server_check(name: str, made: Contact, key: str, has_pages: bool = False) -> Check:
    """Check that a server answered; `key` of the config has its address.

    A web page means that it is in maintenance, unless the URL `has_pages`.
    """
    if made.error is not None:
        found = f"{made.host} does not answer: {error_words(made.error)}"
        return Check(name, FAIL, found, _next_step(made, key))
    if made.page and not has_pages:
        found = f"{made.host} is in maintenance: it sent a web page ({made.page})"
        return Check(name, FAIL, found, f"run `jwmirror doctor` again later; or correct {key}")
    if made.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        found = f"{made.host} answered with status {made.status}"
        return Check(name, FAIL, found, f"run `jwmirror doctor` again later; or correct {key}")
    return Check(name, OK, f"{made.host} answers{_by_proxy(made.url)}")


def _by_proxy(url: str) -> str:
    proxy = proxy_for(url)
    if not proxy:
        return ""
    return f", through the proxy {urlsplit(proxy if '://' in proxy else f'//{proxy}').hostname}"


def _next_step(made: Contact, key: str) -> str:
    """Return what to do if a server does not answer, by the class of the error."""
    cause = made.error.reason if isinstance(made.error, MaxRetryError) else made.error
    if isinstance(cause, ProxyError):
        return "correct HTTPS_PROXY in the environment, or add the host to NO_PROXY"
    if isinstance(cause, SSLError):
        return (
            "name your site's certificates in SSL_CERT_FILE (or REQUESTS_CA_BUNDLE) in the "
            "environment, and check the clock of this machine"
        )
    through = ", and the proxy" if proxy_for(made.url) else ", or set HTTPS_PROXY if your site "
    has_to = "" if proxy_for(made.url) else "has a proxy"
    return f"check the network and {key} in the config{through}{has_to}"


def clock_checks(*contacts: Contact) -> Iterator[Check]:
    """Check this machine's clock against the Date headers of those servers that sent one."""
    skews = {made.host: made.skew_s for made in contacts if made.skew_s is not None}
    if not skews:
        return
    host = max(skews, key=lambda name: abs(skews[name]))
    seconds = round(skews[host])
    if abs(seconds) <= LARGEST_SKEW_S:
        yield Check("clock", OK, f"as that of {' and '.join(sorted(skews))}")
    else:
        way = "behind" if seconds > 0 else "ahead of"
        yield Check("clock", WARN, f"{abs(seconds):,} s {way} that of {host}", SET_CLOCK)
