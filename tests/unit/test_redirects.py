"""Redirects to signed addresses: one that has expired is replaced once; hosts have their names."""

from collections.abc import Iterator

import pytest

from jwmirror.core.model import Failure
from jwmirror.net.http import HttpClient
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    FileServer,
    body,
    file_server,
    hasty_fetch,
    serve,
    small_image,
)
from tests.setup.records import RATE, product

EXPIRED = b"<?xml version='1.0'?><Error><Message>Request has expired</Message></Error>"


@pytest.fixture
def storage(server: FileServer) -> Iterator[FileServer]:
    """Another server, to whose signed addresses the first one redirects."""
    with serve() as storage:
        addresses = [f"{storage.url}/{name}" for name in ("old", "new")]
        server.put(RATE, *[body(b"", status=302, Location=address) for address in addresses])
        yield storage


def host(server: FileServer) -> str:
    """The name of a server in messages."""
    return server.url.removeprefix("http://")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_expired_address_is_requested_again_from_the_first(
    status, server, storage, fetch, image
):
    """Which gives another; no token is shown because of it, and the file does not need one."""
    storage.put("old", body(EXPIRED, status=status))
    storage.put("new", body(image))

    (arrived,) = fetch(product(RATE, image), token="sesame")

    assert arrived.path.read_bytes() == image and not arrived.product.needs_token
    assert (len(server.requests), len(storage.requests)) == (2, 2)
    assert "sesame" not in str([*server.requests, *storage.requests])


def test_a_second_refusal_names_the_host_that_refused(server, storage, fetch, image):
    """It is requested once more, not for ever."""
    for name in ("old", "new"):
        storage.put(name, body(EXPIRED, status=403))

    (failure,) = fetch(product(RATE, image))

    assert isinstance(failure, Failure)
    assert f"{host(storage)} answered 403" in failure.message
    assert host(server) not in failure.message
    assert len(storage.requests) == 2


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (body(b"", status=404), "expected status 200, got 404"),
        (body(b"<html><title>Down</title>"), "answered with status 200 and a web page (Down)"),
        (body(b"SIMPLE", Content_Length="5000"), "cut 3 times"),
    ],
)
def test_a_failure_names_the_host_that_answered(server, storage, fetch, reply, words):
    """Not the one that redirects."""
    storage.put("old", reply)
    storage.put("new", reply)

    (failure,) = fetch(product(RATE))

    assert host(storage) in failure.message and words in failure.message
    assert host(server) not in failure.message


def test_a_failure_names_the_host_that_does_not_answer(server, fetch, port):
    """Of two, the second."""
    server.put(RATE, body(b"", status=302, Location=f"http://localhost:{port}/a"))

    (failure,) = fetch(product(RATE))

    assert f"from localhost:{port}: no answer" in failure.message


def test_a_refusal_of_the_server_itself_is_final(server):
    """It is no signed address."""
    server.put("x", body(b"", status=403))

    HttpClient(1, HASTY).open(f"{server.url}/x")

    assert len(server.requests) == 1


def test_a_relative_redirect_is_one_too(server):
    """On the same host."""
    server.put("x", body(b"", status=302, Location="/signed"))
    server.put("signed", body(EXPIRED, status=403), body(b"data"))

    response = HttpClient(1, HASTY).open(f"{server.url}/x")

    assert (response.status, response.data) == (200, b"data")
