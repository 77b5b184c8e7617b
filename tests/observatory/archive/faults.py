"""Faults by name: each makes one thing go wrong with the responses it is put on."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.observatory.archive.messages import Response

HTML = b"<!DOCTYPE html><html><head><title>MAST</title></head><body>Down for maintenance.</body>"


@dataclass
class Fault:
    """One thing that goes wrong, `times` times (None: always)."""

    name: str
    spoil: Callable[[Response], Response]
    times: int | None = None

    def apply(self, response: Response) -> Response:
        """The response as it goes wrong; unchanged once the fault is used up."""
        if self.times == 0:
            return response
        if self.times is not None:
            self.times -= 1
        return self.spoil(response)


def truncate_after(count: int, length: str = "sent", times: int | None = None) -> Fault:
    """Close the connection in good order after `count` bytes of the body.

    With length "sent" the client was told the whole length; with "none" it was told nothing and
    the short body looks complete; with "chunked" the last chunk is missing.
    """
    return Fault("truncate_after", lambda r: r.but(cut=count, length=length), times)


def reset_after(count: int, times: int | None = None) -> Fault:
    """Reset the connection after `count` bytes of the body."""
    return Fault("reset_after", lambda r: r.but(cut=count, reset=True), times)


def wrong_bytes(times: int | None = None) -> Fault:
    """Send a body of the right length with one bit flipped in its middle."""

    def spoil(response: Response) -> Response:
        body = bytearray(response.content())
        if body:
            body[len(body) // 2] ^= 1
        return response.but(body=bytes(body))

    return Fault("wrong_bytes", spoil, times)


def html_page(times: int | None = None) -> Fault:
    """Answer 200 with a page of HTML in place of what was asked for."""
    page = Response(headers={"Content-Type": "text/html"}, body=HTML)
    return Fault("html_page", lambda _: page, times)


def empty_body(times: int | None = None) -> Fault:
    """Answer 200 with no bytes at all."""
    return Fault("empty_body", lambda r: r.but(body=b""), times)


def status(code: int, times: int | None = None) -> Fault:
    """Answer with an HTTP status and a short text."""
    spoiled = Response(status=code, body=b"fault\n", headers={"Content-Type": "text/plain"})
    return Fault(f"status {code}", lambda _: spoiled, times)


def unavailable(times: int, retry_after: int | str = 1) -> Fault:
    """Answer 503 with Retry-After (seconds, or an HTTP date), `times` times."""
    headers = {"Retry-After": str(retry_after), "Content-Type": "text/plain"}
    spoiled = Response(status=503, headers=headers, body=b"busy\n")
    return Fault("unavailable", lambda _: spoiled, times)


def server_error(times: int | None = None) -> Fault:
    """Answer 500."""
    return status(500, times)


def slow(seconds: float = 0.0, rate: float | None = None, times: int | None = None) -> Fault:
    """Wait some seconds before the first byte, then send at most `rate` bytes per second."""
    return Fault("slow", lambda r: r.but(pause=seconds, rate=rate), times)


def without_length(length: str = "none", times: int | None = None) -> Fault:
    """Send the whole body without Content-Length: until the connection ends, or "chunked"."""
    return Fault("without_length", lambda r: r.but(length=length), times)


def redirect_to(url: str, times: int | None = None) -> Fault:
    """Answer 302 to another URL."""
    spoiled = Response(status=302, headers={"Location": url})
    return Fault("redirect_to", lambda _: spoiled, times)


def without_header(name: str, times: int | None = None) -> Fault:
    """Leave out one header (ETag, Last-Modified...)."""

    def spoil(response: Response) -> Response:
        return response.but(headers={k: v for k, v in response.headers.items() if k != name})

    return Fault("without_header", spoil, times)
