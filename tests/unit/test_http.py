"""The HTTP client: proxies, waits and limits, as environment and server name them."""

import shutil
import ssl
import subprocess
import threading
import time
from email.utils import formatdate
from http.client import HTTPException
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest
import requests
import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, MaxRetryError, ProtocolError

from jwmirror.archive.tables.session import BoundedAdapter
from jwmirror.core.errors import ConfigError
from jwmirror.net import http
from jwmirror.net.http import (
    CERTIFICATES,
    HttpClient,
    Timeouts,
    base_url,
    discard,
    error_words,
    proxy_for,
    retry_policy,
    trusted_certificates,
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
        ("http://ann:secret@localhost/x", None),
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


def test_a_body_that_is_too_slow_is_given_up_and_a_slow_reader_is_not(server):
    """Fewer than 1,024 bytes a second over one read timeout, in which the server is waited for."""
    server.put("x", slowly(b"x" * 100))
    slow = HttpClient(1, Timeouts(read_s=0.2))
    with pytest.raises(HTTPError, match="bytes in"):
        slow.receive(slow.open(f"{server.url}/x"), lambda piece: None)

    server.put("x", body(b"x" * 3_000_000))
    slow.receive(slow.open(f"{server.url}/x"), lambda piece: time.sleep(0.05))


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
        ({"CURL_CA_BUNDLE": "", "SSL_CERT_DIR": "d"}, "d"),
        ({"REQUESTS_CA_BUNDLE": "a", "CURL_CA_BUNDLE": "b"}, "a"),
        ({"SSL_CERT_FILE": "c", "SSL_CERT_DIR": "d"}, "c"),
    ],
)
def test_certificates_are_those_that_the_environment_names(monkeypatch, environment, expected):
    """As for other tools."""
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert trusted_certificates() == expected


@pytest.fixture
def certified(tmp_path):
    """The URL of an https server, and a folder with only its certificate, by its hash."""
    key, folder = tmp_path / "key.pem", tmp_path / "trusted"
    folder.mkdir()
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(folder / "own.pem")]
    subprocess.run([*words.split(), *names, *files], check=True, capture_output=True)
    subprocess.run(["openssl", "rehash", folder], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", key)
    server = HTTPServer(("localhost", 0), SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/", folder
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(
    ("variable", "others"),
    [
        ("REQUESTS_CA_BUNDLE", ()),
        ("CURL_CA_BUNDLE", ()),
        ("SSL_CERT_DIR", ()),
        ("SSL_CERT_DIR", ("empty", "absent")),
    ],
)
def test_a_folder_of_certificates_is_trusted(certified, monkeypatch, tmp_path, variable, others):
    """One that `openssl rehash` has prepared, for downloads and for astroquery's requests.

    SSL_CERT_DIR may have several.
    """
    (url, folder), once = certified, Timeouts(attempts=1)
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    session = requests.Session()
    session.mount("https://", BoundedAdapter(url, once, timeout_s=60))
    with pytest.raises(MaxRetryError, match="certificate"):
        HttpClient(1, once).open(url)
    with pytest.raises(requests.exceptions.SSLError):
        session.get(url)

    (tmp_path / "empty").mkdir()
    paths = [*(tmp_path / name for name in others), folder]
    monkeypatch.setenv(variable, ":".join(map(str, paths)))

    assert HttpClient(1, once).open(url).status == 200
    assert session.get(f"{url}absent").status_code == 404


def test_a_proxy_may_be_named_without_its_scheme(archive, monkeypatch):
    """As many do."""
    monkeypatch.setenv("HTTP_PROXY", archive.url.removeprefix("http://"))

    HttpClient(1, Timeouts(attempts=1)).open("http://mast.invalid/whoami").release_conn()

    assert archive.requests[-1].path.endswith("/whoami")


WORDS = [
    ("text", "text"),
    ("HTTPSConnectionPool(host='x', port=1): Read timed out.", "Read timed out."),
    ("HTTPConnectionPool(host='x', port=1): Read timed out.", "Read timed out."),
    (MaxRetryError(None, "/x", HTTPError("too many 500 responses")), "too many 500 responses"),
    (MaxRetryError(None, "/x"), "None: Max retries exceeded with url: /x (Caused by None)"),
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
        (OSError("without a number"), "odd"),
        (HTTPException("chunk"), "the last part of the body is missing"),
        (IncompleteRead(5, None), "the last part of the body is missing"),
        (None, "odd"),
    ],
)
def test_a_cut_body_is_told_by_its_cause(cause, expected):
    """Bytes, connection, or a last part that is missing."""
    error = ProtocolError("odd")
    error.__cause__ = cause

    assert error_words(error) == expected


def test_only_a_cut_body_is_told_by_its_cause():
    """Other errors have words of their own."""
    error = HTTPError("plain")
    error.__cause__ = ConnectionResetError(104, "Connection reset by peer")

    assert error_words(error) == "plain"


# ---- what is handed to urllib3 -------------------------------------------------------------------


def test_the_limits_are_those_that_the_documentation_names():
    """Five requests for an answer, three for right bytes; files below 1 MiB are not resumed."""
    limits = Timeouts()

    assert (limits.attempts, limits.bodies, limits.keep_from) == (5, 3, 1 << 20)


def test_a_policy_asks_again_for_what_changes_nothing_within_its_limits():
    """The last answer is returned, not raised; redirects have a limit of their own."""
    policy = retry_policy(Timeouts(attempts=4, backoff_s=0.25, retry_after_s=7.5))

    assert (policy.total, policy.redirect, policy.allowed_methods) == (3, 5, None)
    assert (policy.backoff_factor, policy.retry_after_max) == (0.25, 7.5)
    assert (policy.raise_on_status, set(policy.status_forcelist)) == (False, set(http.RETRIED))
    left = policy.new(total=1)
    assert (left.total, left.redirect, type(left)) == (1, 5, type(policy))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (None, [0.25]),
        (urllib3.HTTPResponse(status=503), [0.25]),
        (answer("soon"), [0.25]),
        (answer("3"), [3]),
    ],
)
def test_a_retry_waits_once(monkeypatch, response, expected):
    """As long as the server asks for, else at our own pace."""
    policy, waits = retry_policy(Timeouts()), []
    monkeypatch.setattr(policy, "_wait", waits.append)
    monkeypatch.setattr(policy, "get_backoff_time", lambda: 0.25)

    policy.sleep(response)

    assert waits == expected


@pytest.mark.parametrize("proxy", [None, "http://proxy.example.org:8080"])
def test_connections_have_the_client_s_settings(monkeypatch, proxy):
    """Directly, or through a proxy."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/certificates")
    monkeypatch.setenv("HTTP_PROXY", proxy or "")
    client = HttpClient(7, Timeouts(connect_s=1.5, read_s=2.5))

    settings = client._pool("http://mast.example.org/x").connection_pool_kw

    assert (settings["maxsize"], settings["ca_certs"]) == (7, "/certificates")
    assert (settings["timeout"].connect_timeout, settings["timeout"].read_timeout) == (1.5, 2.5)
    assert settings["retries"].halt is client.halt


def test_connections_to_one_host_are_kept_and_closed_at_the_end():
    """Whatever the path; another host or scheme has others."""
    client = HttpClient(1, Timeouts())
    one = client._pool("https://a/x/y")

    assert client._pool("https://a/z/y") is one
    assert client._pool("http://a/x/y") is not one and client._pool("https://b/x/y") is not one
    one.connection_from_url("https://a/x/y")
    client.close()
    assert len(one.pools) == 0 and client.halt.is_set()


def test_a_client_waits_on_the_event_that_it_is_given():
    """Several clients of one run are stopped by one event."""
    halt = threading.Event()

    assert HttpClient(1, Timeouts(), halt=halt).halt is halt
    assert not HttpClient(1, Timeouts()).halt.is_set()


class Recorder:
    """Records the calls of its methods, which answer 200."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __getattr__(self, name: str):
        def call(*words: object, **named: object) -> urllib3.HTTPResponse:
            self.calls.append((name, words, named))
            return urllib3.HTTPResponse(status=200)

        return call


def test_a_request_is_sent_as_it_is(monkeypatch):
    """Its body is unread and not decoded; a query has its body."""
    client, pool = HttpClient(1, Timeouts(), "secret"), Recorder()
    monkeypatch.setattr(client, "_pool", lambda url, *largest: pool)
    agent = {"User-Agent": http.USER_AGENT}

    client.open("http://x/a", {"Range": "bytes=1-"})
    client.post("http://x/q", b"{}")

    get, post = pool.calls
    sent = {**agent, "Accept-Encoding": "identity", "Range": "bytes=1-"}
    raw = {"preload_content": False, "decode_content": False}
    assert get == ("request", ("GET", "http://x/a"), {"headers": sent, **raw})
    sent = {**agent, "Content-Type": "application/json"}
    facts = {"body": b"{}", "headers": sent, "decode_content": False}
    assert post == ("request", ("POST", "http://x/q"), facts)


def test_a_response_that_is_not_wanted_is_closed_and_its_place_freed():
    """In this order: the connection is not used again."""
    response = Recorder()

    discard(response)

    assert [name for name, _, _ in response.calls] == ["close", "release_conn"]


def test_redirects_end(server):
    """After five."""
    server.put("x", body(b"", status=302, Location="/x"))

    with pytest.raises(HTTPError):
        HttpClient(1, Timeouts(attempts=10)).open(f"{server.url}/x")

    assert len(server.requests) == 6
