"""Checks of servers: do they answer, through which proxy, do clocks agree, is the token valid."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError, MaxRetryError, ProxyError, SSLError

from jwmirror.archive.tables.login import token_owner
from jwmirror.core.errors import NEW_TOKEN, ArchiveError, JwmirrorError, plain_text
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
SOON = timedelta(days=7)  # before a token expires
EXPIRY = "expir"  # in the name of a field that says until when: `expires`, `expiration`...
STEP = "correct this, and run this command again"
SET_CLOCK = "set the clock of this machine (NTP): times of records and of runs would be wrong"


def guarded(subject: str, checks: Iterable[Check], step: str = STEP) -> Iterator[Check]:
    """Yield checks and, if an error ends them, a failed one called `subject` that says why."""
    try:
        yield from checks
    except (JwmirrorError, HTTPError, OSError) as err:
        words = error_words(err) if isinstance(err, HTTPError) else plain_text(err)
        yield Check(subject, FAIL, words, step)


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
        return Check(name, FAIL, found, f"run this command again later; or correct {key}")
    if made.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        found = f"{made.host} answered with status {made.status}"
        return Check(name, FAIL, found, f"run this command again later; or correct {key}")
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
        yield Check("clock", OK, f"agrees with that of {' and '.join(sorted(skews))}")
    else:
        way = "behind" if seconds > 0 else "ahead of"
        yield Check("clock", WARN, f"{abs(seconds):,} s {way} that of {host}", SET_CLOCK)


# ---- the token -------------------------------------------------------------------------------


def token_check(url: str, token: str, variable: str) -> Check:
    """Check what the MAST server at `url` says about the token in an environment variable."""
    step = f"make a new token at {NEW_TOKEN}, and put it into {variable}"
    try:
        owner = token_owner(url, token, BRIEF)
    except ArchiveError as err:
        return Check("token", WARN, str(err), "run this command again later")
    if owner is None:
        return Check("token", FAIL, f"MAST does not accept the token in {variable}", step)
    expiry = next(filter(None, map(_time, _expiries(owner))), None)
    if expiry is None:
        return Check("token", OK, "MAST accepts it, and does not say until when")
    found = f"MAST accepts it, until {expiry.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if expiry - datetime.now(UTC) < SOON:
        return Check("token", WARN, found, step)
    return Check("token", OK, found)


def _expiries(answer: Any) -> Iterator[object]:
    """Yield the values of all fields whose names say that they are about the end of the token."""
    items = answer.items() if isinstance(answer, dict) else ()
    for name, value in items:
        if EXPIRY in str(name).lower():
            yield value
        yield from _expiries(value)


def _time(value: object) -> datetime | None:
    """Return a time from seconds or milliseconds since 1970, or from ISO text; else None."""
    try:
        if isinstance(value, int | float) and value > 1e9:
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        time = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
