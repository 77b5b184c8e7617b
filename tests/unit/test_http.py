"""The HTTP client: proxies, waits and limits, as environment and server name them."""

import threading
import time
from email.utils import formatdate

import pytest
import urllib3
from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ConfigError
from jwmirror.net.http import HttpClient, Timeouts, proxy_for, retry_policy
from jwmirror_simulator.mast import faults

RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """The test's own environment names no proxy."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def answer(seconds_or_date: str) -> urllib3.HTTPResponse:
    """A 503 with Retry-After."""
    return urllib3.HTTPResponse(status=503, headers={"Retry-After": seconds_or_date})


def waited(timeouts: Timeouts, response: urllib3.HTTPResponse) -> float:
    """Seconds for which a retry waits."""
    began = time.monotonic()
    retry_policy(timeouts).sleep(response)
    return time.monotonic() - began


@pytest.mark.parametrize(
    "asked", ["3600", formatdate(time.time() + 3600, usegmt=True)], ids=["seconds", "date"]
)
def test_retry_after_is_bounded_in_both_its_forms(asked):
    """A server that asks for an hour is asked again after the longest wait allowed."""
    assert 0.05 <= waited(Timeouts(retry_after_s=0.05), answer(asked)) < 2


@pytest.mark.parametrize("asked", ["soon", "-1", formatdate(0, usegmt=True), ""])
def test_retry_after_that_says_nothing_is_no_error(asked):
    """Nonsense and dates in the past leave the client's own pace."""
    assert waited(Timeouts(backoff_s=0.0), answer(asked)) < 1


def test_a_waiting_retry_gives_up_when_the_client_is_closed(archive):
    """A wait of a minute ends at once when the client is closed."""
    archive.fault(RATE, faults.busy(503, 60))
    client = HttpClient(1, Timeouts())
    threading.Timer(0.1, client.close).start()
    began = time.monotonic()

    with pytest.raises(HTTPError, match="given up"):
        client.open(f"{archive.url}/api/v0.1/Download/file?uri=mast:JWST/product/{RATE}")

    assert time.monotonic() - began < 10


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_requests_go_through_the_proxy_that_the_environment_names(archive, monkeypatch, variable):
    """A host that only the proxy knows is reached through it."""
    if variable == "HTTP_PROXY":
        monkeypatch.delenv("REQUEST_METHOD", raising=False)
    monkeypatch.setenv(variable, archive.url)
    client = HttpClient(1, Timeouts(attempts=1))

    response = client.open("http://mast.invalid/whoami")
    response.release_conn()

    assert archive.requests[-1].path.endswith("/whoami")


def test_a_proxy_is_told_its_user_and_password(monkeypatch, archive):
    """Credentials in the proxy's address go to the proxy, as basic authorization."""
    monkeypatch.setenv("HTTP_PROXY", archive.url.replace("//", "//ann:s%20t@"))

    HttpClient(1, Timeouts(attempts=1)).open("http://mast.invalid/whoami").release_conn()

    assert archive.requests[-1].headers["proxy-authorization"] == "Basic YW5uOnMgdA=="


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://mast.stsci.edu/x", "http://secure:1"),
        ("http://mast.stsci.edu/x", "http://plain:1"),
        ("https://inside.example.org/x", None),
        ("https://example.org/x", None),
    ],
)
def test_proxies_go_by_scheme_and_spare_what_no_proxy_names(monkeypatch, url, proxy):
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read as by other tools."""
    monkeypatch.setenv("HTTP_PROXY", "http://plain:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:1")
    monkeypatch.setenv("NO_PROXY", "localhost,example.org")

    assert proxy_for(url) == proxy


def test_a_proxy_of_an_unknown_kind_is_told(monkeypatch):
    """A SOCKS proxy, which is not supported, is named."""
    monkeypatch.setenv("HTTP_PROXY", "socks5://localhost:1")

    with pytest.raises(ConfigError, match="socks5"):
        HttpClient(1, Timeouts()).open("http://mast.invalid/whoami")
