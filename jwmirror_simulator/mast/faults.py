"""Faults by name: each makes one thing go wrong in the responses that it is applied to."""

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from jwmirror_simulator.mast.api.messages import PAGE, Response, as_html, as_json


@dataclass
class Fault:
    """One change of responses, applied `times` times (None: always)."""

    name: str
    spoil: Callable[[Response], Response]
    times: int | None = None

    def apply(self, response: Response) -> Response:
        """Return the response with the fault; unchanged after `times` times."""
        if self.times == 0:
            return response
        if self.times is not None:
            self.times -= 1
        return self.spoil(response)


def truncate_after(count: int, length: str = "sent", times: int | None = None) -> Fault:
    """Close the connection in good order after `count` bytes of the body.

    With length "sent" the whole length was announced; with "none" no length was announced, so that
    the short body looks complete; with "chunked" the last chunk is missing.
    """
    return Fault("truncate_after", lambda r: r.but(cut=count, length=length), times)


def reset_after(count: int, times: int | None = None) -> Fault:
    """Reset the connection after `count` bytes of the body."""
    return Fault("reset_after", lambda r: r.but(cut=count, reset=True), times)


def _flipped(content: bytes) -> bytes:
    """Return a copy with one bit changed."""
    body = bytearray(content)
    if body:
        body[len(body) // 2] ^= 1
    return bytes(body)


def wrong_bytes(times: int | None = None) -> Fault:
    """Send a body of the right length with one bit flipped in its middle."""
    return Fault("wrong_bytes", lambda r: r.but(body=_flipped(r.content())), times)


def html_page(times: int | None = None) -> Fault:
    """Answer 200 with a page of HTML."""
    return Fault("html_page", lambda _: as_html(), times)


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


# ---- lengths and encodings -------------------------------------------------------------------


def length_too_large(extra: int = 1000, times: int | None = None) -> Fault:
    """Announce more bytes than come."""
    return Fault("length_too_large", lambda r: r.but(announced=len(r.body) + extra), times)


def length_too_small(missing: int = 1000, times: int | None = None) -> Fault:
    """Announce fewer bytes than are sent: the rest precedes the next response."""
    return Fault("length_too_small", lambda r: r.but(announced=len(r.body) - missing), times)


def json_page(times: int | None = None) -> Fault:
    """Answer 200 with an error message in JSON."""
    return Fault("json_page", lambda _: as_json({"status": "ERROR", "msg": "try later"}), times)


def duplicate_bytes(count: int = 2880, times: int | None = None) -> Fault:
    """Send the first bytes of the body twice."""

    def spoil(response: Response) -> Response:
        content = response.content()
        return response.but(body=content[:count] + content)

    return Fault("duplicate_bytes", spoil, times)


def compressed(times: int | None = None) -> Fault:
    """Send the body with Content-Encoding gzip although the request did not allow it."""

    def spoil(response: Response) -> Response:
        headers = {**response.headers, "Content-Encoding": "gzip"}
        return response.but(headers=headers, body=gzip.compress(response.content(), mtime=0))

    return Fault("compressed", spoil, times)


def endless(length: str = "none", times: int | None = None) -> Fault:
    """Send the body again and again until the client closes, without a length or "chunked"."""
    return Fault("endless", lambda r: r.but(endless=True, length=length), times)


def endless_page(code: int, times: int | None = None) -> Fault:
    """Answer an error with a page that has no end."""
    page = Response(status=code, body=PAGE * 1000, length="chunked", endless=True)
    return Fault(f"endless_page {code}", lambda _: page, times)


# ---- validators and ranges -------------------------------------------------------------------


def wrong_content_range(shift: int = 1, times: int | None = None) -> Fault:
    """Answer 206 with a Content-Range of other bytes than requested."""

    def spoil(response: Response) -> Response:
        if response.status != 206:
            return response
        first, dash, rest = response.headers["Content-Range"].removeprefix("bytes ").partition("-")
        moved = f"bytes {int(first) + shift}{dash}{rest}"
        return response.but(headers={**response.headers, "Content-Range": moved})

    return Fault("wrong_content_range", spoil, times)


def unsatisfiable(times: int | None = None) -> Fault:
    """Answer a request for a range with 416."""

    def spoil(response: Response) -> Response:
        if response.status != 206:
            return response
        headers = {"Content-Range": f"bytes */{len(response.whole().body)}"}
        return Response(status=416, headers=headers)

    return Fault("unsatisfiable", spoil, times)


def changes_midway(count: int, honest: bool = True) -> Fault:
    """Cut the first body after `count` bytes; then serve other bytes of equal length.

    They have another ETag. The next answer is 200 and whole or, if not `honest`, the requested
    rest.
    """
    answered: list[Response] = []

    def spoil(response: Response) -> Response:
        answered.append(response)
        if len(answered) == 1 and response.status == 200:
            return response.but(cut=count)
        new = response.whole() if honest else response
        return new.but(headers={**new.headers, "ETag": '"changed"'}, body=_flipped(new.content()))

    return Fault("changes_midway", spoil)


def other_rest(times: int | None = None) -> Fault:
    """Answer a request for a range with other bytes, under the ETag of the requested ones."""

    def spoil(response: Response) -> Response:
        return (
            response.but(body=_flipped(response.content())) if response.status == 206 else response
        )

    return Fault("other_rest", spoil, times)


# ---- servers that are busy, far away or not what they say ------------------------------------


def busy(code: int, retry_after: int | str, times: int | None = None) -> Fault:
    """Answer 429 or 503 with Retry-After: seconds, or an HTTP date."""
    headers = {"Retry-After": str(retry_after), "Content-Type": "text/plain"}
    spoiled = Response(status=code, headers=headers, body=b"busy\n")
    return Fault(f"busy {code}", lambda _: spoiled, times)


def soon(seconds: float) -> str:
    """Return the HTTP date some seconds from now, for Retry-After."""
    return formatdate(time.time() + seconds, usegmt=True)


def crawl(rate: float = 100.0, times: int | None = None) -> Fault:
    """Send so few bytes per second that the file would never be complete."""
    return Fault("crawl", lambda r: r.but(rate=rate), times)


def silence(seconds: float, times: int | None = None) -> Fault:
    """Send nothing for some seconds."""
    return slow(seconds, times=times)


def unknown_host(times: int | None = None) -> Fault:
    """Redirect to a host whose name does not resolve."""
    return redirect_to("http://archive.invalid/file", times)
