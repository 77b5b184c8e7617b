"""A relay that makes loopback a link: a round trip, and a rate that all its connections share.

The kernel's own means (`tc netem`) need root and a module that many kernels lack. The relay passes
bytes on as they are, so TLS is between the program and the server. A byte leaves when those before
it have left at the rate of the link, and arrives half a round trip later; connecting takes a round
trip. TCP's slow start and losses are not imitated: they would lengthen the time of all programs.
"""

import asyncio
import multiprocessing
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

BEHIND_RELAY = 1 << 23  # bytes of one connection and direction that are on their way at most


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a link does to the bytes of all connections."""

    round_trip_s: float
    rate: float  # bytes/s, in each direction

    def shortest_s(self, count: int, size: int, connections: int) -> float:
        """Return the seconds that `count` files of `size` bytes take at least, over https.

        Each connection takes two round trips (TCP, TLS 1.3), and each file one.
        """
        in_turn = -(-count // connections)
        waits = (2 + in_turn) * self.round_trip_s
        alone = waits + in_turn * size / self.rate
        return max(alone, 3 * self.round_trip_s + count * size / self.rate)


@contextmanager
def relay(url: str, link: Link) -> Iterator[str]:
    """Relay connections to the server at `url` over a link; yield the URL to use instead.

    The relay is a separate process.
    """
    parts = urlsplit(url)
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(listening, parts.port, link), daemon=True
    )
    process.start()
    port = listening.getsockname()[1]
    listening.close()
    try:
        yield f"{parts.scheme}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.join()


def _serve(listening: socket.socket, port: int, link: Link) -> None:
    """Relay until the process is terminated."""
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())  # epoll counts in milliseconds
    up, down = _Direction(link, loop), _Direction(link, loop)
    loop.run_until_complete(
        loop.create_server(lambda: _Near(up, down, port), sock=listening, start_serving=True)
    )
    loop.run_forever()


class _Direction:
    """One direction of the link: the bytes of all connections, in a queue."""

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop):
        self.link, self.loop = link, loop
        self._free_at = 0.0  # when all bytes so far have left

    def arrival(self, size: int) -> float:
        """Return when the next `size` bytes arrive, in seconds of the loop's clock."""
        self._free_at = max(self._free_at, self.loop.time()) + size / self.link.rate
        return self._free_at + self.link.round_trip_s / 2


class _End(asyncio.Protocol):
    """One end of a relayed connection; what it receives is sent by the other end, later."""

    other: "_End"
    transport: asyncio.Transport

    def __init__(self, direction: _Direction):
        self._direction, self._on_way = direction, 0
        self._earliest = 0.0
        self._is_other_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        arrival = max(self._direction.arrival(len(data)), self._earliest)
        self._earliest = arrival + 1e-9  # what comes later arrives later
        self._on_way += len(data)
        self._read_or_wait()
        self._direction.loop.call_at(arrival, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        self._on_way -= len(data)
        self.other.transport.write(data)
        self._read_or_wait()

    def connection_lost(self, error: Exception | None) -> None:
        """Close the other end after the last byte has arrived there."""
        loop, arrival = self._direction.loop, self._direction.arrival(0)
        loop.call_at(max(arrival, self._earliest), self.other.transport.close)

    def pause_writing(self) -> None:
        """Stop reading at the other end: the program or the server does not take its bytes."""
        self.other.is_other_full(True)

    def resume_writing(self) -> None:
        self.other.is_other_full(False)

    def is_other_full(self, is_full: bool) -> None:
        """Learn whether the other end can send more."""
        self._is_other_full = is_full
        self._read_or_wait()

    def _read_or_wait(self) -> None:
        if self.transport.is_closing():
            return
        if self._is_other_full or self._on_way > BEHIND_RELAY:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()


class _Near(_End):
    """The end at the program; it opens the one at the server."""

    def __init__(self, up: _Direction, down: _Direction, port: int):
        super().__init__(up)
        self._down, self._port = down, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server; bytes wait as long as connecting would take."""
        super().connection_made(transport)
        link, loop = self._direction.link, self._direction.loop
        self._earliest = loop.time() + 1.5 * link.round_trip_s
        self.transport.pause_reading()
        self._connecting = loop.create_task(self._connect())

    async def _connect(self) -> None:
        loop = self._direction.loop
        self.other = _End(self._down)
        self.other.other = self
        await loop.create_connection(lambda: self.other, "127.0.0.1", self._port)
        self._read_or_wait()
