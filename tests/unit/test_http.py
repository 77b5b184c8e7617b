"""The HTTP client: proxies, waits and limits, as environment and server name them."""

import threading
import time
from email.utils import formatdate
from http.client import HTTPException

import pytest
import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, ProtocolError

from jwmirror.core.errors import ConfigError
from jwmirror.net.http import (
    HttpClient,
    StalledError,
    Timeouts,
    base_url,
    certificate_file,
    error_words,
    proxy_for,
    retry_policy,
)
from jwmirror_simulator.mast import faults
from tests.setup.file_server import body, file_server, slowly  # noqa: F401

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


# ---- bodies, retries and limits ----------------------------------------------------------------

EAGER = Timeouts(attempts=3, backoff_s=0.0, retry_after_s=0.05, read_s=2, connect_s=2)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_may_be_temporary_is_asked_again(server, code):
    """Up to the number of attempts; then the status is the answer."""
    server.put("x", body(b"", status=code), body(b"", status=code), body(b"it"))

    response = HttpClient(1, EAGER).open(f"{server.url}/x")

    assert (response.status, len(server.requests)) == (200, 3)
    server.put("x", body(b"", status=code))
    assert HttpClient(1, EAGER).open(f"{server.url}/x").status == code


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 501])
def test_what_will_not_change_is_not_asked_again(server, code):
    """One request."""
    server.put("x", body(b"", status=code))

    response = HttpClient(1, EAGER).open(f"{server.url}/x")

    assert (response.status, len(server.requests)) == (code, 1)


def test_requests_have_the_token_only_when_it_is_to_be_shown(server):
    """And none is shown where there is none."""
    server.put("x", body(b""))
    client = HttpClient(1, EAGER, "secret")
    client.open(f"{server.url}/x")
    client.open(f"{server.url}/x", {"Range": "bytes=1-"}, show_token=True)
    HttpClient(1, EAGER).open(f"{server.url}/x", show_token=True)

    shown = [headers.get("Authorization") for _, headers in server.requests]

    assert shown == [None, "token secret", None]
    assert server.requests[1][1]["Range"] == "bytes=1-"
    assert (client.has_token, HttpClient(1, EAGER, "").has_token) == (True, False)


def test_a_body_comes_in_pieces_and_is_not_read_before(server):
    """Of any length; a compressed one is passed on as it was sent."""
    data = bytes(range(256)) * 4000
    server.put("x", body(data, Content_Encoding="gzip"))
    client, pieces = HttpClient(1, EAGER), []

    client.receive(client.open(f"{server.url}/x"), pieces.append)

    assert b"".join(pieces) == data and len(pieces) > 1


def test_a_body_that_is_too_slow_is_given_up_and_a_fast_one_is_not(server):
    """Fewer than 1,024 bytes a second over the window."""
    server.put("x", slowly(b"x" * 100))
    slow = HttpClient(1, Timeouts(stall_s=0.1, read_s=2))
    with pytest.raises(StalledError, match="bytes in"):
        slow.receive(slow.open(f"{server.url}/x"), lambda piece: None)

    server.put("x", body(b"x" * 3_000_000))
    slow.receive(slow.open(f"{server.url}/x"), lambda piece: time.sleep(0.02))


def test_a_query_is_posted_as_json(archive):
    """And asked again like others: it changes nothing at the server."""
    client = HttpClient(1, EAGER)

    client.post(f"{archive.url}/nothing/here", b'{"a": 1}')

    request = archive.requests[-1]
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("jwmirror/")


def test_policies_do_not_stop_each_other():
    """A client that is closed ends its waits only; what is left of a retry keeps that."""
    halt = threading.Event()
    ours, others = retry_policy(Timeouts(), halt), retry_policy(Timeouts())
    halt.set()

    with pytest.raises(HTTPError, match="given up"):
        ours.new(total=1).sleep(answer("5"))
    assert others.halt is not halt and not others.halt.is_set()
    others.new(total=1)._wait(0.0)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://mast.stsci.edu/", "https://mast.stsci.edu"), ("http://h:1//", "http://h:1")],
)
def test_a_server_is_a_url_without_a_closing_slash(url, expected):
    """Paths are added to it."""
    assert base_url(url) == expected


@pytest.mark.parametrize("url", ["mast.stsci.edu", "ftp://mast", "https://", ""])
def test_what_is_no_url_is_a_mistake_of_the_config(url):
    """With what was expected."""
    with pytest.raises(ConfigError, match=r"expected http\(s\)://host"):
        base_url(url)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"REQUESTS_CA_BUNDLE": "a"}, "a"),
        ({"CURL_CA_BUNDLE": "b"}, "b"),
        ({"REQUESTS_CA_BUNDLE": "a", "CURL_CA_BUNDLE": "b"}, "a"),
    ],
)
def test_certificates_are_those_that_the_environment_names(monkeypatch, environment, expected):
    """As for other tools."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert certificate_file() == expected


def test_a_proxy_may_be_named_without_its_scheme(archive, monkeypatch):
    """As many do."""
    monkeypatch.setenv("HTTP_PROXY", archive.url.removeprefix("http://"))

    HttpClient(1, Timeouts(attempts=1)).open("http://mast.invalid/whoami").release_conn()

    assert archive.requests[-1].path.endswith("/whoami")


WORDS = [
    ("text", "text"),
    ("HTTPSConnectionPool(host='x', port=1): Read timed out.", "Read timed out."),
    (IncompleteRead(5, 7), "5 bytes came, 7 more were announced"),
    (HTTPError("plain: words"), "plain: words"),
]


@pytest.mark.parametrize(("why", "expected"), WORDS)
def test_foreign_errors_are_told_without_class_names(why, expected):
    """As people can read them."""
    assert error_words(why) == expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (IncompleteRead(5, 7), "5 bytes came, 7 more were announced"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (HTTPException("chunk"), "the last part of the body is missing"),
        (None, "odd"),
    ],
)
def test_a_cut_body_is_told_by_its_cause(cause, expected):
    """Bytes, connection, or a last part that is missing."""
    error = ProtocolError("odd")
    error.__cause__ = cause

    assert error_words(error) == expected
