"""Bounds on what a server may send: bytes and time of a response, and the size of a JSON answer.

They apply to the bytes of the socket, below urllib3 and requests: also to heads, to bodies that
are not wanted (of redirects and error pages), and to the framing of chunks.
"""

import errno
import gzip
import io
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from jwmirror.core.jsonio import count_values

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST_HEAD = LARGEST_UNWANTED = 1 << 20  # bytes; of a body whose status is not 2xx
SLOWEST = 1024  # bytes/s, over a window of one read timeout
SLOWEST_MEAN = 8192  # bytes/s, over the whole response, after GRACE_S
GRACE_S = 3600.0
DEFAULT_WINDOW_S = 60.0
PIECE = 1 << 20  # bytes unzipped at a time


class BoundsError(OSError):
    """A response is larger, or slower, than it may be."""

    def __init__(self, why: str):
        super().__init__(errno.EIO, why)


# ---- bytes and times of a response -----------------------------------------------------------


class _ArrivedRecords(io.RawIOBase):
    """The bytes of a TLS socket, as a file: of all records that have arrived, up to the size asked.

    OpenSSL gives one record of at most 16 kB at a time. At 200 MB/s, passing each one on for itself
    costs twice the CPU time, because several threads take turns to run Python.
    """

    def __init__(self, file: io.RawIOBase, sock: ssl.SSLSocket):
        self._file, self._sock = file, sock
        self._error: OSError | None = None  # after the last bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Wait for one record, and read those that have arrived behind it."""
        if self._error:
            raise self._error
        count, view = self._file.readinto(buffer), memoryview(buffer)
        if not count or count == len(view):
            return count
        timeout_s = self._sock.gettimeout()
        self._sock.settimeout(0)
        try:
            while count < len(view) and (size := self._sock.recv_into(view[count:])):
                count += size
        except ssl.SSLWantReadError:
            pass  # the next record is still on its way
        except OSError as err:
            self._error = err  # as if these bytes had come alone
        finally:
            self._sock.settimeout(timeout_s)
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _BoundedFile(io.RawIOBase):
    """The bytes of one response, as they come from the socket.

    Only the time in which the server is waited for counts, and only after its first byte.
    """

    def __init__(self, file: io.RawIOBase, window_s: float):
        self._file, self._window_s = file, window_s
        self.size, self.limit = 0, LARGEST_HEAD  # bytes
        self._waited_s, self._window_start = 0.0, (0, 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Read some bytes into `buffer`; BoundsError if they are too many, or came too slowly."""
        began = time.monotonic()
        count: int | None = self._file.readinto(buffer)
        if self.size:
            self._waited_s += time.monotonic() - began
        self.size += count or 0
        if self.size > self.limit:
            raise BoundsError(f"the answer has more than {self.limit} bytes")
        if count:
            self._check_speed()
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _check_speed(self) -> None:
        """Raise BoundsError if the server is too slow, now or on the whole."""
        start, started_s = self._window_start
        size, waited_s = self.size - start, self._waited_s - started_s
        if waited_s > self._window_s:
            if size < SLOWEST * waited_s:
                raise BoundsError(f"{size} bytes in {waited_s:.0f} s")
            self._window_start = (self.size, self._waited_s)
        if self._waited_s > GRACE_S + self.size / SLOWEST_MEAN:
            raise BoundsError(f"{self.size} bytes in {self._waited_s:.0f} s")


class _BoundedResponse(HTTPResponse):
    """A response of http.client whose bytes and time are bounded."""

    largest = 0  # bytes with the head, where the status is 2xx

    def __init__(self, sock: Any, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        file = self.fp.detach()
        if isinstance(sock, ssl.SSLSocket):
            file = _ArrivedRecords(file, sock)
        self._bytes = _BoundedFile(file, sock.gettimeout() or DEFAULT_WINDOW_S)
        self.fp = io.BufferedReader(self._bytes)

    def begin(self) -> None:
        """Read the head; then the bound of the body is known."""
        super().begin()
        is_wanted = 200 <= self.status < 300
        self._bytes.limit = self.largest if is_wanted else self._bytes.size + LARGEST_UNWANTED


def bound_responses(manager: PoolManager, largest: int) -> None:
    """Bound the responses over a manager's connections; `largest` is in bytes, with the head.

    A response that exceeds its bounds ends as one that was cut: with an HTTPError whose cause is a
    BoundsError.
    """
    manager.pool_classes_by_scheme = _pool_classes(largest)


@cache
def _pool_classes(largest: int) -> dict[str, type[HTTPConnectionPool]]:
    """Return subclasses of urllib3's pools, under the same names: these are in its messages."""

    def named(parent: type, attribute: str, value: object) -> type:
        return type(parent.__name__, (parent,), {attribute: value})

    response = named(_BoundedResponse, "largest", largest)
    plain = named(HTTPConnection, "response_class", response)
    secure = named(HTTPSConnection, "response_class", response)
    return {
        "http": named(HTTPConnectionPool, "ConnectionCls", plain),
        "https": named(HTTPSConnectionPool, "ConnectionCls", secure),
    }


# ---- answers in JSON -------------------------------------------------------------------------


@dataclass
class JsonBudget:
    """How large an answer in JSON may still be: bytes, and values, which take more memory."""

    size: int  # bytes
    values: int  # as `count_values` counts them

    def spend(self, piece: bytes) -> None:
        """Count a piece of an answer; BoundsError if it is one too many."""
        self.size -= len(piece)
        self.values -= count_values(piece)
        if self.size < 0 or self.values < 0:
            raise BoundsError("the answer is too large")

    def whole(self, pieces: Iterable[bytes]) -> bytearray:
        """Return pieces in one; BoundsError if they are too large."""
        content = bytearray()
        for piece in pieces:
            self.spend(piece)
            content += piece
        return content


def unzipped(content: bytes) -> Iterator[bytes]:
    """Yield the content of a gzip file, piece by piece.

    Raises OSError, EOFError or zlib.error if it is damaged.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        while piece := file.read(PIECE):
            yield piece
